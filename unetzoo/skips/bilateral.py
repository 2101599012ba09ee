"""BiSeNet's two ways to meet the decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.blocks import AttentionRefinement, FeatureFusion
from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["BilateralSkip"]


class BilateralSkip(SkipPathway):
    """Rows rich in detail are fused with the decoder, rows rich in context are refined and added to it.

    Fused: `FeatureFusion` of [skip, gate], as wide as both. Refined: gate + `AttentionRefinement` of the
    skip, as wide as the gate. Yu et al. 2018, "BiSeNet", arXiv:1808.00897, fig. 2.

    Args:
        fused: Rows that are fused, 0 the finest; ``null`` is all. The others are refined.
    """

    def __init__(
        self, encoder: Sequence[Level], decoder: Sequence[Gate], *, fused: Sequence[int] | None = (0,)
    ) -> None:
        count = len(decoder)
        rows = range(count) if fused is None else fused
        if not set(rows) <= set(range(count)):
            raise ValueError(f"skip.fused={list(rows)} must be rows 0 to {count - 1}; the bottleneck is none")
        strides = {encoder[row].stride for row in rows}
        super().__init__(
            encoder, decoder, merge=lambda e, d: (_Fused if e.stride in strides else _Refined)(e, d)
        )


class _Fused(Merge):
    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = skip.channels + gate.channels
        self.fuse = FeatureFusion(len(skip.stride), self.channels, self.channels)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.fuse(torch.cat([skip, gate], 1))
        return out


class _Refined(Merge):
    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = gate.channels
        self.refine = AttentionRefinement(len(skip.stride), skip.channels, gate.channels)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.refine(skip) + gate
        return out
