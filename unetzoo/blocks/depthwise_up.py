"""Upsampling with a depthwise convolution after it."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Resize, conv, conv_unit

__all__ = ["depthwise_up"]


def depthwise_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """Nearest upsampling, depthwise 3x3 convolution, norm, ReLU, 1x1 convolution to the fine row's channels.

    The efficient up-convolution block (EUCB) of Rahman et al. 2024, "EMCAD", arXiv:2405.06880, sec. 3.1. For
    ``ConvDecoder.up``.
    """
    factor = ratio(coarse.stride, fine.stride)
    ndim, width = len(factor), coarse.channels
    unit = conv_unit(ndim, width, width, 3, groups=width)
    return nn.Sequential(Resize(factor, "nearest"), *unit, conv(ndim, width, fine.channels)), fine.channels
