"""A convolution behind its norm and activation."""

from math import gcd
from typing import Any

from torch import nn

from unetzoo.nd import Activation, activation, conv

__all__ = ["norm_first_conv"]


def norm_first_conv(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    groups: int = 30,
    activation_name: Activation = "leaky_relu",
    zero_init: bool = False,
) -> nn.Sequential:
    """Group norm, activation, 3x3 convolution without bias (He et al. 2016, arXiv:1603.05027, fig. 1b).

    Args:
        groups: Of the norm; where they do not divide ``c_in``, the largest number that divides both.
        zero_init: Start from an output of zero (the convolution's weights are 0).
    """
    convolution: Any = conv(ndim, c_in, c_out, 3, bias=False)
    if zero_init:
        nn.init.zeros_(convolution.weight)
    else:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(nn.GroupNorm(gcd(groups, c_in), c_in), activation(activation_name), convolution)
