"""The Haar wavelet transform as a way down and a way up that lose nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Level, ratio
from unetzoo.nd import conv

__all__ = ["Haar", "InverseHaar", "haar_down", "haar_up"]


def _filters(factor: tuple[int, ...]) -> Tensor:
    """The orthonormal Haar (for 4 and more: Walsh) filters of a block, (K, 1, *factor), K = product."""
    if any(f < 1 or f & (f - 1) for f in factor):
        raise ValueError(f"the Haar transform halves sizes, {factor} is no power of 2 along every axis")
    filters = torch.ones((1, 1))
    for f in factor:
        axis = torch.ones((1, 1))
        while axis.shape[0] < f:
            axis = torch.kron(axis, torch.tensor([[1.0, 1.0], [1.0, -1.0]])) / 2**0.5
        filters = torch.kron(filters, axis)
    return filters.reshape(-1, 1, *factor)


class Haar(nn.Module):
    """Split every block of ``factor`` pixels into its sum and differences, ``channels * K`` of them.

    For a factor of 2 in 2D: (a + b + c + d) / 2 and the three differences. Orthonormal, so that
    `InverseHaar` gives the input back.
    """

    weight: Tensor

    def __init__(self, channels: int, factor: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor
        filters = _filters(factor)
        self.register_buffer("weight", filters.repeat(channels, *[1] * (filters.dim() - 1)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, C * K, *(size / factor))."""
        transform = {2: F.conv2d, 3: F.conv3d}[len(self.factor)]
        return transform(x, self.weight, stride=self.factor, groups=self.channels)


class InverseHaar(Haar):
    """Put every block together again."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C * K, *size) to (B, C, *(size * factor))."""
        transform = {2: F.conv_transpose2d, 3: F.conv_transpose3d}[len(self.factor)]
        return transform(x, self.weight, stride=self.factor, groups=self.channels)


def haar_down(fine: Level, coarse: Level) -> tuple[nn.Module, int]:
    """Transform, 1x1 convolution, PReLU: from a fine row to the width and size of a coarse one."""
    factor = ratio(coarse.stride, fine.stride)
    transform = Haar(fine.channels, factor)
    mix = conv(len(factor), transform.weight.shape[0], coarse.channels)
    return nn.Sequential(transform, mix, nn.PReLU()), coarse.channels


def haar_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """1x1 convolution, PReLU, inverse transform: from a coarse row to the width and size of a fine one."""
    factor = ratio(coarse.stride, fine.stride)
    transform = InverseHaar(fine.channels, factor)
    mix = conv(len(factor), coarse.channels, transform.weight.shape[0])
    return nn.Sequential(mix, nn.PReLU(), transform), fine.channels
