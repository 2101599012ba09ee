"""No skips."""

from collections.abc import Sequence

from torch import Tensor

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["NoSkip", "Unmet"]


class NoSkip(SkipPathway):
    """The decoder goes on with its own feature: what skips are measured against, and FCN-32s."""

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate]) -> None:
        super().__init__(encoder, decoder, merge=Unmet)


class Unmet(Merge):
    """What the decoder brings, as it is."""

    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = gate.channels

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to the latter."""
        return gate
