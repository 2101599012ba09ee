"""A stem of two convolutions."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, activation, conv, norm

__all__ = ["conv_stem"]


def conv_stem(
    fine: Level, coarse: Level, *, norm_name: Norm = "layer", activation_name: Activation = "gelu"
) -> tuple[nn.Module, int]:
    """Two strided 3x3 convolutions, the first to half the width, each with a norm; for ``ConvEncoder.stem``.

    The second halves every axis that the two bring down, the first does the rest.
    """
    factor, ndim = ratio(coarse.stride, fine.stride), len(coarse.stride)
    second = tuple(2 if f % 2 == 0 else 1 for f in factor)
    half, width = max(1, coarse.channels // 2), coarse.channels
    stem = nn.Sequential(
        conv(ndim, fine.channels, half, 3, stride=ratio(factor, second)),
        norm(norm_name, ndim, half),
        activation(activation_name),
        conv(ndim, half, width, 3, stride=second),
        norm(norm_name, ndim, width),
    )
    return stem, width
