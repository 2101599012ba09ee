"""A learned way down."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Norm, conv, norm

__all__ = ["strided_down"]


def strided_down(
    fine: Level,
    coarse: Level,
    *,
    bias: bool = True,
    norm_name: Norm | None = None,
    size: int | None = None,
) -> tuple[nn.Module, int]:
    """Strided convolution to the coarse row's channels; for ``ConvEncoder.down`` and ``ConvEncoder.stem``.

    Args:
        norm_name: Norm in front of it, as in ConvNeXt.
        size: Of its kernel, odd; ``None`` is the stride.
    """
    factor, ndim = ratio(coarse.stride, fine.stride), len(coarse.stride)
    module = conv(ndim, fine.channels, coarse.channels, size or factor, stride=factor, bias=bias)
    if norm_name is not None:
        module = nn.Sequential(norm(norm_name, ndim, fine.channels), module)
    return module, coarse.channels
