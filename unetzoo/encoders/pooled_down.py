"""Max pooling and a change of width."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import conv, max_pool

__all__ = ["pooled_down"]


def pooled_down(fine: Level, coarse: Level) -> tuple[nn.Module, int]:
    """Max pooling, then a 1x1 convolution to the coarse row's channels; for ``ConvEncoder.down``."""
    factor = ratio(coarse.stride, fine.stride)
    change = conv(len(factor), fine.channels, coarse.channels)
    return nn.Sequential(max_pool(factor), change), coarse.channels
