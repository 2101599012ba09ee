"""A change of width and linear interpolation."""

from typing import Literal

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize, conv

__all__ = ["projected_up"]


def projected_up(
    coarse: Level, fine: Level, *, mode: Literal["nearest", "linear"] = "linear"
) -> tuple[nn.Module, int]:
    """A 1x1 convolution to the fine row's channels, then interpolation; for ``ConvDecoder.up``."""
    factor = ratio(coarse.stride, fine.stride)
    change = conv(len(factor), coarse.channels, fine.channels)
    return nn.Sequential(change, Resize(factor, mode)), fine.channels
