"""A learned way down."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Norm, conv, norm

__all__ = ["strided_down"]


def strided_down(
    fine: Level, coarse: Level, *, bias: bool = True, norm_name: Norm | None = None
) -> tuple[nn.Module, int]:
    """Convolution whose kernel is its stride, to the coarse row's channels; for ``ConvEncoder.down``.

    Args:
        norm_name: Norm in front of it, as in ConvNeXt.
    """
    factor, ndim = ratio(coarse.stride, fine.stride), len(coarse.stride)
    module = conv(ndim, fine.channels, coarse.channels, factor, stride=factor, bias=bias)
    if norm_name is not None:
        module = nn.Sequential(norm(norm_name, ndim, fine.channels), module)
    return module, coarse.channels
