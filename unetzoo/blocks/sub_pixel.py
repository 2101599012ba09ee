"""Channels become pixels."""

from math import prod

import torch
from torch import Tensor, nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import conv

__all__ = ["SubPixel", "sub_pixel_up"]


class SubPixel(nn.Module):
    """Unfold channels into a finer grid by a factor per axis, in any dimension.

    Shi et al. 2016, arXiv:1609.05158, eq. 4; in 2D with one factor it is torch's ``PixelShuffle``.
    """

    def __init__(self, factor: tuple[int, ...]) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(B, C * product of factors, *size) to (B, C, *(size * factor))."""
        n = len(self.factor)
        x = torch.unflatten(x, 1, (-1, *self.factor))  # (B, C, *factor, *size)
        x = x.permute(0, 1, *(axis for k in range(n) for axis in (2 + n + k, 2 + k)))
        for axis in reversed(range(2, 2 + 2 * n, 2)):
            x = x.flatten(axis, axis + 1)
        return x

    def extra_repr(self) -> str:
        """Factor for ``print(model)``."""
        return str(self.factor)


def sub_pixel_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """1x1 convolution to the channels that the finer grid needs, then `SubPixel`; for ``ConvDecoder.up``."""
    factor = ratio(coarse.stride, fine.stride)
    widened = fine.channels * prod(factor)
    return nn.Sequential(conv(len(factor), coarse.channels, widened), SubPixel(factor)), fine.channels
