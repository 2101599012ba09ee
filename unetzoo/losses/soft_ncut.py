"""Soft normalised cut: how badly a soft segmentation cuts through similar neighbours; needs no labels."""

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SoftNCut"]


class SoftNCut(nn.Module):
    """``K - sum_k assoc(k, k) / assoc(k, all)``, from 0 (every cut follows an edge) to K - 1 (uniform).

    Xia & Kulis 2017, "W-Net", arXiv:1711.08506, eq. 2, after Shi & Malik 2000. Two pixels less than
    ``radius`` apart belong together by
    ``exp(-|I(u) - I(v)|^2 / sigma_intensity^2) * exp(-|u - v|^2 / sigma_space^2)``, others not at all. It is
    the exact value of the N x N form, computed one offset at a time, so that memory is that of a few images
    whatever the radius.

    Args:
        radius: Pixels or voxels, exclusive.
        sigma_intensity: In the image's units, as the distance over all bands; the paper's 10 of 255.
        sigma_space: Pixels or voxels.
    """

    def __init__(
        self, *, radius: float = 5.0, sigma_intensity: float = 10 / 255, sigma_space: float = 4.0
    ) -> None:
        super().__init__()
        if min(radius, sigma_intensity, sigma_space) <= 0:
            raise ValueError(
                f"radius={radius}, sigma_intensity={sigma_intensity} and sigma_space={sigma_space} "
                "must all be positive"
            )
        self.radius, self.sigma_intensity, self.sigma_space = radius, sigma_intensity, sigma_space

    def forward(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """(B, K, *size), of sum 1 over K, and the image (B, C, *size) to a scalar, the mean over the batch.

        The gradient is for the probabilities alone.
        """
        p = probabilities if probabilities.dtype == torch.float64 else probabilities.float()
        axes = tuple(range(2, p.dim()))
        with torch.no_grad():
            neighbours, degree = self.propagate(p, image.to(p.dtype))
            inside = (p * neighbours).sum(axes)
        # the affinity is symmetric, so the gradient of p'Wp is 2Wp: no second pass over the offsets
        within = 2 * (p * neighbours).sum(axes) - inside
        total = (p * degree).sum(axes)
        # a class that is nowhere cuts nothing off: 0 / 0 counts as 0, as with any small share
        shares = within / total.clamp(min=torch.finfo(p.dtype).tiny)
        return (p.shape[1] - shares.sum(1)).mean()

    def propagate(self, p: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Affinity times ``p``, (B, K, *size), and the affinity's row sums, (B, 1, *size)."""
        neighbours, degree = p.clone(), torch.ones_like(p[:, :1])  # a pixel's affinity to itself is 1
        for offset in self._offsets(p.shape[2:]):
            distance = sum(o * o for o in offset)
            # both ends of all pairs that lie this offset apart inside the image
            pairs = [*zip(offset, p.shape[2:], strict=True)]
            here: tuple[Any, ...] = (..., *(slice(max(0, -o), min(s, s - o)) for o, s in pairs))
            there: tuple[Any, ...] = (..., *(slice(max(0, o), min(s, s + o)) for o, s in pairs))
            contrast = (image[here] - image[there]).square().sum(1, keepdim=True)
            w = (-contrast / self.sigma_intensity**2 - distance / self.sigma_space**2).exp()
            neighbours[here] += w * p[there]
            neighbours[there] += w * p[here]
            degree[here] += w
            degree[there] += w
        return neighbours, degree

    def _offsets(self, size: torch.Size) -> list[tuple[int, ...]]:
        """One of every pair of opposite offsets shorter than the radius, within an image of this size."""
        reach = [range(-min(n, s - 1), min(n, s - 1) + 1) for s in size for n in [int(self.radius)]]
        zero = (0,) * len(size)
        return [o for o in product(*reach) if o > zero and sum(x * x for x in o) < self.radius**2]
