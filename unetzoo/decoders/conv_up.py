"""Upsampling with a convolution after it."""

from typing import Literal

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize, conv, norm

__all__ = ["conv_up"]


def conv_up(
    coarse: Level, fine: Level, *, bias: bool = True, activation: Literal["relu", "prelu"] = "prelu"
) -> tuple[nn.Module, int]:
    """Nearest-neighbour upsampling, 3x3 convolution to the fine row's channels, batch norm, activation.

    The way up of public 3D Attention U-Nets and, with ``convs=0``, of the 3D H-DenseUNet. For
    ``ConvDecoder.up``.

    Args:
        activation: relu | prelu (one slope per channel).
    """
    factor = ratio(coarse.stride, fine.stride)
    ndim, width = len(factor), fine.channels
    layers = [
        Resize(factor, "nearest"),
        conv(ndim, coarse.channels, width, 3, bias=bias),
        norm("batch", ndim, width),
        nn.PReLU(width) if activation == "prelu" else nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers), width
