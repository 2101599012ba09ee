"""Transformer rows on the way up."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks.patch_expanding import patch_expanding
from unetzoo.blocks.project import project
from unetzoo.blocks.stage import RowBlock
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level

__all__ = ["TokenDecoder"]


class TokenDecoder(Decoder):
    """Expand, merge, bring to the row's width, transform; the finest row is expanded to full resolution.

    The decoder of DAE-Former (Azad et al. 2022, arXiv:2212.13504) and MISSFormer (Huang et al. 2021,
    arXiv:2109.07162). Expanding between rows halves the channels, whatever their ratio; the last one keeps
    them, by 4 in both papers.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        block: Builds a block from (row, bottleneck).
        blocks: Blocks per row.
    """

    def __init__(self, encoder: Sequence[Level], *, block: RowBlock, blocks: int = 2) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        self.ups, self.gates = nn.ModuleList(), list[Gate]()
        for fine, coarse in pairwise(encoder):
            up, width = patch_expanding(coarse, Level(max(1, coarse.channels // 2), fine.stride))
            self.ups.append(up)
            self.gates.append(Gate(width, fine.stride, coarse))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(block(row, bottleneck) for _ in range(blocks))) for row in rows
        )
        self.rows, self.levels, self.last = rows, rows, None
        if max(rows[0].stride) > 1:
            full = Level(rows[0].channels, (1,) * len(rows[0].stride))
            self.levels = [full, *rows]
            self.last, _ = patch_expanding(rows[0], full)

    def build(self, merged: Sequence[int]) -> None:
        """Make what brings merges to the rows' widths."""
        self.projections = nn.ModuleList(
            project(len(row.stride), width, row.channels)
            for width, row in zip(merged, self.rows, strict=True)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck left out."""
        decoded, x = [], skips[-1]
        for row in reversed(range(len(self.ups))):
            gate = self.ups[row](x)
            x = self.blocks[row](self.projections[row](merge(row, skips[row], gate, x)))
            decoded.append(x)
        return decoded if self.last is None else [*decoded, self.last(x)]
