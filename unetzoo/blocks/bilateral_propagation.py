"""Smoothing by distance and by likeness."""

from itertools import product
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, sum_of

__all__ = ["BilateralPropagation"]


class BilateralPropagation(nn.Module):
    """Beside each other, a feature's mean by spatial distance and its mean by likeness, joined by a 1x1.

    The bilateral propagation activation of Liu et al. 2020, "Rethinking Image Inpainting via a Mutual
    Encoder-Decoder with Feature Equalizations", arXiv:2007.06929. By distance: a Gaussian (the paper's sum
    over the whole map, here a depthwise convolution that ends at 3 sigma). By likeness: the softmax of the
    dot products with the pixel and its direct neighbours. The border is repeated for both.

    Args:
        sigma: Of the Gaussian, in pixels.
    """

    gaussian: Tensor

    def __init__(self, ndim: int, channels: int, *, sigma: float = 1.5) -> None:
        super().__init__()
        self.radius = ceil(3 * sigma)
        weights = (-0.5 * (torch.arange(-self.radius, self.radius + 1) / sigma) ** 2).exp()
        self.register_buffer("gaussian", weights / weights.sum(), persistent=False)
        self.join = conv(ndim, 2 * channels, channels)

    def by_distance(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same, smoothed along one axis after the other."""
        ndim, channels = x.dim() - 2, x.shape[1]
        convolve = {2: F.conv2d, 3: F.conv3d}[ndim]
        for axis in range(ndim):
            shape = [1] * ndim
            shape[axis] = -1
            kernel = self.gaussian.reshape(1, 1, *shape).repeat(channels, *[1] * (ndim + 1))
            x = convolve(_pad(x, {axis: self.radius}), kernel, groups=channels)
        return x

    def by_likeness(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same, each pixel a mean of its neighbourhood of 3 per axis."""
        ndim = x.dim() - 2
        padded = _pad(x, dict.fromkeys(range(ndim), 1))
        neighbours = []
        for offsets in product(range(3), repeat=ndim):
            part = padded
            for axis, offset in enumerate(offsets, start=2):
                part = part.narrow(axis, offset, x.shape[axis])
            neighbours.append(part)
        # sums over many channels: in float32, whatever the network computes in
        likeness = torch.stack([(x.float() * n.float()).sum(1, keepdim=True) for n in neighbours]).softmax(0)
        return sum_of(w * n for w, n in zip(likeness, neighbours, strict=True)).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.join(torch.cat([self.by_distance(x), self.by_likeness(x)], 1))
        return out


def _pad(x: Tensor, widths: dict[int, int]) -> Tensor:
    """Repeat the border on both sides of the given axes."""
    ndim = x.dim() - 2
    # F.pad lists the last axis first
    return F.pad(x, [widths.get(axis, 0) for axis in reversed(range(ndim)) for _ in (0, 1)], mode="replicate")
