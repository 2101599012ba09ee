"""No decoder: the pathway's rows are the output."""

from collections.abc import Sequence

from torch import Tensor

from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level

__all__ = ["IdentityDecoder"]


class IdentityDecoder(Decoder):
    """Hand the rows of the skip pathway to the head as they are.

    For pathways that carry coarse rows to the finest one themselves (`DLAUp`, feature pyramids). The head
    sees the finest row, a fused head or side heads the others too. Nothing is brought to the skips, so a
    pathway that merges is refused.
    """

    merges = False

    def __init__(self, encoder: Sequence[Level]) -> None:
        super().__init__()
        self.encoder = list(encoder)
        self.gates = [Gate(0, row.stride, encoder[-1]) for row in encoder[:-1]]

    def build(self, merged: Sequence[int]) -> None:
        """Take over the pathway's widths."""
        *rows, bottleneck = self.encoder
        self.levels = [*(Level(c, row.stride) for c, row in zip(merged, rows, strict=True)), bottleneck]

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """The rows, coarsest first."""
        return skips[::-1]
