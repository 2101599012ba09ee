"""A triangle of scans over neighbouring rows."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks.parallel_mamba import ParallelMamba
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv_unit, norm, sum_of, upsample
from unetzoo.skips.base import SkipPathway

__all__ = ["MambaTriangle"]


class MambaTriangle(SkipPathway):
    """Rows meet their coarser neighbours again and again, and each sums up what it found.

    The skips of SK-VM++ (Wu et al. 2024). From the rows m[i][0] at one width comes a triangle of
    ``m[i][k] = pvm(|up(m[i+1][k-1]) + m[i][k-1]|)``, and of it ``out[i] = pvm(sum over k > 0 of m[i][k])``. A
    pvm is a `ParallelMamba`, norm and ReLU. The finest row is scanned once for every row below it, and once
    more, so this suits encoders whose first stride is 2 or 4.

    Args:
        channels: Width of all rows but the bottleneck, which keeps its own and is handed on as it is.
        groups: Of every `ParallelMamba`.
        state: Numbers that each of its channels remembers.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int = 64,
        groups: int = 4,
        state: int = 16,
    ) -> None:
        *rows, bottleneck = encoder
        super().__init__(
            encoder, decoder, levels=[*(Level(channels, row.stride) for row in rows), bottleneck]
        )
        ndim = len(bottleneck.stride)

        def unit() -> nn.Module:
            scan = ParallelMamba(ndim, channels, channels, groups=groups, state=state)
            return nn.Sequential(scan, norm("batch", ndim, channels), nn.ReLU())

        self.projections = nn.ModuleList(
            nn.Identity()
            if row.channels == channels
            else nn.Sequential(*conv_unit(ndim, row.channels, channels, bias=True))
            for row in encoder
        )
        brought = [Level(channels, row.stride) for row in encoder]
        self.ups = nn.ModuleList(upsample("linear", coarse, fine)[0] for fine, coarse in pairwise(brought))
        depth = len(rows)
        self.nodes = nn.ModuleList(nn.ModuleList(unit() for _ in range(depth - i)) for i in range(depth))
        self.out = nn.ModuleList(unit() for _ in rows)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels, *size_i); the bottleneck unchanged."""
        column = [project(x) for project, x in zip(self.projections, features, strict=True)]
        found: list[list[Tensor]] = [[] for _ in self.out]
        for k in range(len(self.out)):
            column = [self.node(i, k, column[i], column[i + 1]) for i in range(len(self.out) - k)]
            for i, x in enumerate(column):
                found[i].append(x)
        sums = [sum_of(row) for row in found]
        return [*(unit(x) for unit, x in zip(self.out, sums, strict=True)), features[-1]]

    def node(self, row: int, k: int, left: Tensor, below: Tensor) -> Tensor:
        """m[row][k+1] of its left neighbour and the one below that."""
        out: Tensor = self.nodes[row][k]((self.ups[row](below) + left).abs())  # type: ignore[index]
        return out
