"""LinkNet's way up."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import activation, conv_unit, norm

__all__ = ["linknet_up"]


def linknet_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """1x1 convolution to a quarter, transposed convolution, 1x1 convolution, each with norm and ReLU.

    Chaurasia & Culurciello 2017, arXiv:1707.03718, fig. 2. The transposed kernel is twice the stride, so that
    neighbouring outputs overlap. For ``ConvDecoder.up``, with ``convs=0``.
    """
    factor, inner = ratio(coarse.stride, fine.stride), coarse.channels // 4
    if any(f % 2 for f in factor):
        raise ValueError(f"linknet_up needs even strides between rows, got {factor}; use up: transposed")
    ndim = len(factor)
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[ndim]
    kernel, padding = tuple(2 * f for f in factor), tuple(f // 2 for f in factor)
    layers = [
        *conv_unit(ndim, coarse.channels, inner, 1),
        transposed(inner, inner, kernel, stride=factor, padding=padding),
        norm("batch", ndim, inner),
        activation("relu"),
        *conv_unit(ndim, inner, fine.channels, 1),
    ]
    return nn.Sequential(*layers), fine.channels
