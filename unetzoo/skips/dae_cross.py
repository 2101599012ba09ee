"""Skips that the decoder is summed up by."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.blocks.efficient_attention import efficient_attention
from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, norm
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["EfficientCrossSkip"]


class EfficientCrossSkip(SkipPathway):
    """Attend from skip to decoder at linear cost, and join what is found with both.

    ``t = [gate, skip] + norm(widen(efficient_attention(query=skip, key=skip, value=gate)))``, then a residual
    MLP at that doubled width, and a 1x1 convolution back to the skip's. The skip cross attention of Azad et
    al. 2022, "DAE-Former", arXiv:2212.13504, as in the authors' code: queries and keys are both the skip,
    without projections, and one layer norm serves both inputs; the paper's text has queries from one and keys
    and values from the other. The decoder's feature comes at the skip's width through a 1x1 convolution.

    Args:
        ratio: Hidden channels of the MLP per channel of the skip.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, ratio: int = 4) -> None:
        super().__init__(encoder, decoder, merge=partial(_Cross, ratio=ratio))


class _Cross(Merge):
    def __init__(self, skip: Level, gate: Gate, *, ratio: int) -> None:
        super().__init__()
        ndim, c = len(skip.stride), skip.channels
        self.channels = c
        self.enter = conv(ndim, gate.channels, c)
        self.norm = norm("layer", ndim, c)
        self.widen = nn.Sequential(conv(ndim, c, 2 * c), norm("layer", ndim, 2 * c))
        self.mlp = nn.Sequential(norm("layer", ndim, 2 * c), MixFFN(ndim, 2 * c, hidden=ratio * c))
        self.leave = conv(ndim, 2 * c, c)

    def cross(self, gate: Tensor, skip: Tensor) -> Tensor:
        """(B, C, *size) twice to both, attended to, (B, 2 C, *size)."""
        memory = self.norm(skip)
        found = efficient_attention(memory, memory, self.norm(gate))
        both: Tensor = torch.cat([gate, skip], 1) + self.widen(found)
        out: Tensor = both + self.mlp(both)
        return out

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.leave(self.cross(self.enter(gate), skip))
        return out
