"""Long skips with a learned weight, a low-rank update and earlier rows."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, mean_pool
from unetzoo.skips.base import SkipPathway

__all__ = ["LaurelSkip"]


class LaurelSkip(SkipPathway):
    """Learn the residual connection too, here the long one.

    ``beta_i f_i + A_i B_i f_i + sum_j gamma_ij h_ij(f_j)`` for row i, j its finer rows, after LAuReL
    (Menghani et al. 2024, arXiv:2411.07501): RW weighs the connection, LR adds a low-rank map of it, PA
    low-rank maps of previous activations, here pooled to the row. The paper's alpha, the weight of what the
    network makes besides, is left to the convolution after the concatenation. The plain skip at first: beta
    is 1, A and gamma 0.

    Args:
        weight: Learn beta (RW).
        rank: Of A B (LR) and of every h; 0 leaves the former out.
        previous: Add the finer rows (PA).

    Raises:
        ValueError: If nothing is to be learned, or earlier rows are to be added at rank 0.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        weight: bool = True,
        rank: int = 16,
        previous: bool = True,
    ) -> None:
        super().__init__(encoder, decoder)
        if not weight and rank < 1:
            raise ValueError("weight=false and rank=0 leave the plain skip; switch one on or choose concat")
        if previous and rank < 1:
            raise ValueError(f"previous=true needs a rank of 1 or more for its maps, not {rank}")
        rows = range(len(decoder))
        self.beta = nn.ParameterList(torch.ones(()) for _ in rows) if weight else [1.0 for _ in rows]
        self.low_rank = nn.ModuleList(_low_rank(level, level, rank) for level in encoder[:-1] if rank > 0)
        for update in self.low_rank:
            nn.init.zeros_(list(update.parameters())[-1])
        pairs = [(i, j) for i in rows for j in range(i)] if previous else []
        self.sources = {i: [j for k, j in pairs if k == i] for i in rows}
        self.maps = nn.ModuleDict({f"{i}_{j}": _low_rank(encoder[j], encoder[i], rank) for i, j in pairs})
        self.gamma = nn.ParameterDict({f"{i}_{j}": torch.zeros(()) for i, j in pairs})

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same; the bottleneck unchanged."""
        *skips, bottleneck = features
        return [*(self._row(i, skips) for i in range(len(skips))), bottleneck]

    def _row(self, i: int, skips: list[Tensor]) -> Tensor:
        out: Tensor = self.beta[i] * skips[i]
        if len(self.low_rank):
            out = out + self.low_rank[i](skips[i])
        for j in self.sources[i]:
            out = out + self.gamma[f"{i}_{j}"] * self.maps[f"{i}_{j}"](skips[j])
        return out


def _low_rank(source: Level, target: Level, rank: int) -> nn.Sequential:
    """From one row to another, through ``rank`` channels."""
    ndim, factor = len(source.stride), ratio(target.stride, source.stride)
    inner = min(rank, source.channels, target.channels)
    down, up = conv(ndim, source.channels, inner, bias=False), conv(ndim, inner, target.channels, bias=False)
    return nn.Sequential(down, up) if max(factor) == 1 else nn.Sequential(down, mean_pool(factor), up)
