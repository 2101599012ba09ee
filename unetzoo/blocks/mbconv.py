"""The mobile inverted bottleneck."""

from typing import Any

from torch import nn

from unetzoo.nd import Activation, Norm, activation, conv, conv_unit, norm

__all__ = ["mbconv"]


def mbconv(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    expansion: int = 4,
    norm_name: Norm = "group",
    activation_name: Activation = "silu",
    zero_init: bool = False,
) -> nn.Sequential:
    """Widen by a 1x1 convolution, 3x3 within each channel, narrow by a 1x1 convolution without activation.

    Sandler et al. 2018, "MobileNetV2", arXiv:1801.04381, section 3.3, without the residual, which belongs to
    the block around it; SiLU as in EfficientNet (Tan & Le 2019, arXiv:1905.11946). It is smooth: where a
    reversible block recovers its input to float32's precision, a ReLU may bend the other way.

    Args:
        expansion: Inner channels per input channel.
        zero_init: Start from an output of zero (the last norm's scale is 0).
    """
    inner = expansion * c_in
    depthwise: Any = conv(ndim, inner, inner, 3, bias=False, groups=inner)
    nn.init.kaiming_normal_(depthwise.weight, nonlinearity="relu")
    layers = [
        *conv_unit(ndim, c_in, inner, 1, norm_name=norm_name, activation_name=activation_name),
        *(depthwise, norm(norm_name, ndim, inner), activation(activation_name)),
        *conv_unit(ndim, inner, c_out, 1, norm_name=norm_name, activation_name=None),
    ]
    if zero_init:
        last: Any = layers[-1]
        nn.init.zeros_(last.weight)
    return nn.Sequential(*layers)
