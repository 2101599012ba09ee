"""Skips that lose blocks in training."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks import DropBlock
from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["DropBlockSkip"]


class DropBlockSkip(SkipPathway):
    """Drop blocks of every skip in training, so that the decoder cannot lean on them (`DropBlock`).

    Ghiasi et al. 2018, arXiv:1810.12890, drop in the last two groups of a ResNet, on its convolutions and on
    its residual connections; here it is the long skips. ``callbacks=drop_block_ramp`` raises p from 0 over
    the training, as they do.

    Args:
        p: Share of a map that is dropped.
        size: Edge of a block in feature pixels.
        rows: Rows that lose blocks, 0 the finest; ``None`` is all.

    Raises:
        ValueError: If p is no share, or a row is listed that meets no skip.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        p: float = 0.1,
        size: int = 7,
        per_channel: bool = True,
        rows: Sequence[int] | None = None,
    ) -> None:
        super().__init__(encoder, decoder)
        self.rows = list(range(len(decoder)) if rows is None else rows)
        if wrong := [row for row in self.rows if not 0 <= row < len(decoder)]:
            raise ValueError(f"rows={self.rows}: there is no skip {wrong[0]}; list 0 to {len(decoder) - 1}")
        self.drops = nn.ModuleList(DropBlock(p, size=size, per_channel=per_channel) for _ in self.rows)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same; the bottleneck unchanged."""
        drops = dict(zip(self.rows, self.drops, strict=True))
        return [drops[row](f) if row in drops else f for row, f in enumerate(features)]
