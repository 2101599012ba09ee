"""Skips that are added."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AddSkip"]


class AddSkip(SkipPathway):
    """Add the skip to the decoder (LinkNet, Chaurasia & Culurciello 2017, arXiv:1707.03718, fig. 1).

    Where the widths differ the skip is projected by a 1x1 convolution; the paper's always agree.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate]) -> None:
        super().__init__(encoder, decoder, merge=_Add)


class _Add(Merge):
    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = gate.channels
        same = skip.channels == gate.channels
        self.project = nn.Identity() if same else conv(len(skip.stride), skip.channels, gate.channels)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.project(skip) + gate
        return out
