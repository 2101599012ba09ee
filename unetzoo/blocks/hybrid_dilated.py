"""Convolutions of several dilations whose channel groups are mixed, and what MACMD makes of them."""

from collections.abc import Sequence
from math import gcd

from torch import Tensor, nn

from unetzoo.blocks.cbam import SpatialAttention
from unetzoo.blocks.context import Context
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.levels import Level
from unetzoo.nd import conv, norm, sum_of

__all__ = ["DilatedContext", "DilatedGate", "HybridDilatedConv"]


class HybridDilatedConv(nn.Module):
    """Grouped 3x3 convolutions of growing dilation; every output group adds another group of each.

    ``out[k] = sum over j of conv_j(x)[(k + j) mod groups]`` on groups of channels, a Latin square: the HDConv
    of "MACMD" (2025). There are as many groups as dilations, or fewer where they do not divide the channels.

    Args:
        dilations: One per convolution.
    """

    def __init__(self, ndim: int, channels: int, *, dilations: Sequence[int] = (1, 2, 3, 5)) -> None:
        super().__init__()
        groups = gcd(channels, len(dilations))
        self.width = channels // groups
        self.convs = nn.ModuleList(
            conv(ndim, channels, channels, 3, dilation=dilation, groups=groups) for dilation in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return sum_of(layer(x).roll(-j * self.width, 1) for j, layer in enumerate(self.convs))


class DilatedGate(nn.Module):
    """``g * sigmoid(norm(psi(relu(g))))`` with ``g = norm(hybrid_dilated(x))``, one weight per pixel.

    The multi-dilated contextual attention gate (MCAG) of "MACMD" (2025): the map gates itself, and what is
    gated is the convolved map.
    """

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(HybridDilatedConv(ndim, channels), norm("batch", ndim, channels))
        self.psi = nn.Sequential(conv(ndim, channels, 1), norm("batch", ndim, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        g: Tensor = self.features(x)
        out: Tensor = g * self.psi(g.relu())
        return out


class DilatedContext(Context):
    """Two hybrid dilated convolutions with norm and ReLU, channel attention, spatial attention.

    The encoder attention block (MEAB) of "MACMD" (2025), for the bottleneck.

    Args:
        reduction: Of the channel attention, squeeze-and-excitation.
    """

    def __init__(self, level: Level, *, reduction: int = 16) -> None:
        super().__init__()
        self.channels, ndim = level.channels, len(level.stride)

        def unit() -> list[nn.Module]:
            return [
                HybridDilatedConv(ndim, self.channels),
                norm("batch", ndim, self.channels),
                nn.ReLU(inplace=True),
            ]

        self.body = nn.Sequential(
            *(*unit(), *unit()),
            SqueezeExcite(ndim, self.channels, reduction=reduction, bias=False),
            SpatialAttention(ndim),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.body(x)
        return out
