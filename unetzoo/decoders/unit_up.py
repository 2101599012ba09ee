"""Upsampling and a convolution with norm and activation."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, Resize, conv_unit

__all__ = ["unit_up"]


def unit_up(
    coarse: Level,
    fine: Level,
    *,
    norm: Norm | None = "instance",
    activation: Activation = "leaky_relu",
    bias: bool | None = True,
) -> tuple[nn.Module, int]:
    """Nearest upsampling, then a 3x3 convolution to the fine row's channels; for ``ConvDecoder.up``."""
    factor = ratio(coarse.stride, fine.stride)
    unit = conv_unit(
        len(factor), coarse.channels, fine.channels, norm_name=norm, activation_name=activation, bias=bias
    )
    return nn.Sequential(Resize(factor, "nearest"), *unit), fine.channels
