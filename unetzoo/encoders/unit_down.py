"""A strided convolution with norm and activation."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, conv_unit

__all__ = ["unit_down"]


def unit_down(
    fine: Level,
    coarse: Level,
    *,
    norm: Norm | None = "instance",
    activation: Activation | None = "leaky_relu",
    bias: bool | None = True,
) -> tuple[nn.Module, int]:
    """Strided 3x3 convolution to the coarse row's channels, for ``ConvEncoder.down``."""
    factor = ratio(coarse.stride, fine.stride)
    unit = conv_unit(
        len(factor),
        *(fine.channels, coarse.channels),
        stride=factor,
        norm_name=norm,
        activation_name=activation,
        bias=bias,
    )
    return nn.Sequential(*unit), coarse.channels
