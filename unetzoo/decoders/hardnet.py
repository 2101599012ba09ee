"""FC-HarDNet's decoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from unetzoo.blocks.hard_block import HarDBlock
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv_unit, upsample

__all__ = ["HarDNetDecoder"]


class HarDNetDecoder(Decoder):
    """Upsample, merge, halve the width, HarDBlock, row by row (Chao et al. 2019, arXiv:1909.00948).

    It ends at the encoder's finest row. Upsampling aligns the pixels' areas, where the authors' aligns the
    centres of the corners.

    Args:
        growth: The paper's k per row, finest first; as many are used as there are rows.
        layers: Layers per row, likewise.
        multiplier: The paper's m.

    Raises:
        ValueError: If there are fewer numbers than rows.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        growth: Sequence[int] = (10, 16, 18, 24, 32),
        layers: Sequence[int] = (4, 4, 8, 8, 8),
        multiplier: float = 1.7,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        if min(len(growth), len(layers)) < len(rows):
            raise ValueError(
                f"decoder.growth {list(growth)} and decoder.layers {list(layers)} need {len(rows)} numbers, "
                "one per row above the bottleneck; add numbers"
            )
        self.plans: list[dict[str, Any]] = [
            {"growth": k, "layers": n, "multiplier": multiplier}
            for k, n in zip(growth[: len(rows)], layers, strict=False)
        ]
        self.levels = [
            Level(HarDBlock.width(**plan), row.stride) for plan, row in zip(self.plans, rows, strict=True)
        ]
        self.ups, self.gates = nn.ModuleList(), []
        for fine, coarse in pairwise([*self.levels, bottleneck]):
            up, width = upsample("linear", coarse, fine)
            self.ups.append(up)
            self.gates.append(Gate(width, fine.stride, coarse))

    def build(self, merged: Sequence[int]) -> None:
        """Make the 1x1 convolutions and the blocks."""
        ndim = len(self.levels[0].stride)
        self.blocks = nn.ModuleList(
            nn.Sequential(*conv_unit(ndim, width, width // 2, 1), HarDBlock(ndim, width // 2, **plan))
            for width, plan in zip(merged, self.plans, strict=True)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck left out."""
        decoded, x = [], skips[-1]
        for row in reversed(range(len(self.levels))):
            x = self.blocks[row](merge(row, skips[row], self.ups[row](x), x))
            decoded.append(x)
        return decoded
