"""A transposed convolution with norm and activation."""

from torch import nn

from unetzoo.levels import Level
from unetzoo.nd import Activation, Norm, activation, norm, upsample

__all__ = ["normed_up"]


def normed_up(
    coarse: Level, fine: Level, *, norm_name: Norm = "batch", activation_name: Activation = "relu"
) -> tuple[nn.Module, int]:
    """Transposed convolution to the fine row's channels, norm, activation; for ``ConvDecoder.up``."""
    module, width = upsample("transposed", coarse, fine)
    ndim = len(fine.stride)
    return nn.Sequential(module, norm(norm_name, ndim, width), activation(activation_name)), width
