"""A learned way down."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import conv

__all__ = ["strided_down"]


def strided_down(fine: Level, coarse: Level, *, bias: bool = True) -> tuple[nn.Module, int]:
    """Convolution whose kernel is its stride, to the coarse row's channels; for ``ConvEncoder.down``."""
    factor = ratio(coarse.stride, fine.stride)
    module = conv(len(factor), fine.channels, coarse.channels, factor, stride=factor, bias=bias)
    return module, coarse.channels
