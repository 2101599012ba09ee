"""A transposed convolution with norm and activation."""

from torch import nn

from unetzoo.decoders.transposed_up import transposed_up
from unetzoo.levels import Level
from unetzoo.nd import Activation, Norm, activation, norm

__all__ = ["normed_up"]


def normed_up(
    coarse: Level,
    fine: Level,
    *,
    norm_name: Norm = "batch",
    activation_name: Activation = "relu",
    size: int | None = None,
) -> tuple[nn.Module, int]:
    """Transposed convolution to the fine row's channels, norm, activation; for ``ConvDecoder.up``.

    Args:
        size: Of the kernel, see `transposed_up`.
    """
    module, width = transposed_up(coarse, fine, size=size)
    ndim = len(fine.stride)
    return nn.Sequential(module, norm(norm_name, ndim, width), activation(activation_name)), width
