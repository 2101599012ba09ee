"""What every neck is: a pyramid of one width, made of all rows."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import SkipPathway

__all__ = ["Neck", "unit_gain"]


class Neck(SkipPathway):
    """Rows that exchange what they know at one width, as object detectors do between backbone and heads.

    A subclass gives `pyramid`. Its coarsest row returns to the bottleneck's width through a 1x1 convolution,
    so that the decoder starts from what the neck made of all rows and no row of the neck is made in vain.

    Args:
        channels: Width of the pyramid and of every skip.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, channels: int) -> None:
        *rows, bottleneck = encoder
        super().__init__(
            encoder, decoder, levels=[*(Level(channels, row.stride) for row in rows), bottleneck]
        )
        self.back = unit_gain(conv(len(bottleneck.stride), channels, bottleneck.channels))

    def pyramid(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels, *size_i)."""
        raise NotImplementedError

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels, *size_i), the bottleneck at its own width."""
        *rows, coarsest = self.pyramid(features)
        return [*rows, self.back(coarsest)]


def unit_gain(layer: nn.Module) -> nn.Module:
    """Start a convolution that no activation follows: uniform, variance 1 / fan-in, no bias (XavierFill)."""
    nn.init.kaiming_uniform_(cast(Tensor, layer.weight), a=1)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer
