"""Every row of the encoder at every row of the decoder, its channels weighed."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.blocks import SqueezeExcite
from unetzoo.blocks.haar import haar_down, haar_up
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["MultiLevelSE"]


class MultiLevelSE(SkipPathway):
    """Bring all encoder rows to each row, and let squeeze-and-excitation say which of them matter.

    ``prelu(conv([T_1(e_1), ..., T_n(e_n), d] (1 + se)))`` is what row i merges to, of the encoder's width,
    after Park et al. 2022, "MCW-Net", arXiv:2009.13990. T_j goes from row j to row i through Haar transforms
    with 1x1 convolutions between, one row at a time, with weights of its own for each pair; the row's own
    feature stays as it is. The bottleneck gets the same, with itself in the decoder's place.

    Args:
        reduction: Of the squeeze-and-excitation; 4 in the authors' small network, 16 in their large one.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, reduction: int = 4) -> None:
        *rows, bottleneck = encoder
        count, ndim = len(rows), len(bottleneck.stride)
        super().__init__(
            encoder,
            decoder,
            levels=[*(Level(c * count, stride) for c, stride in rows), bottleneck],
            merge=partial(_WeighedConcat, rows=count, reduction=reduction),
        )
        self.count = count
        self.adapters = nn.ModuleDict(
            {f"{j}_{i}": _way(encoder, j, i) for i in range(len(encoder)) for j in range(count) if i != j}
        )
        self.bottleneck = _weighed(ndim, bottleneck.channels * (count + 1), bottleneck.channels, reduction)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, C_i * rows, *size_i); the bottleneck keeps its width."""
        rows = [
            torch.cat(
                [f if i == j else self.adapters[f"{j}_{i}"](f) for j, f in enumerate(features[: self.count])],
                1,
            )
            for i in range(len(features))
        ]
        return [*rows[:-1], self.bottleneck(torch.cat([rows[-1], features[-1]], 1))]


class _WeighedConcat(Merge):
    def __init__(self, skip: Level, gate: Gate, *, rows: int, reduction: int) -> None:
        super().__init__()
        self.channels = skip.channels // rows
        self.weigh = _weighed(len(skip.stride), skip.channels + gate.channels, self.channels, reduction)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.weigh(torch.cat([skip, gate], 1))
        return out


class _Excited(SqueezeExcite):
    """``x + se(x)``: no channel is ever shut off."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def _weighed(ndim: int, c_in: int, c_out: int, reduction: int) -> nn.Module:
    excited = _Excited(ndim, c_in, reduction=reduction, bias=False)
    return nn.Sequential(excited, conv(ndim, c_in, c_out), nn.PReLU())


def _way(encoder: Sequence[Level], start: int, end: int) -> nn.Module:
    """From one row to another, row by row."""
    if start < end:
        return nn.Sequential(*(haar_down(encoder[k], encoder[k + 1])[0] for k in range(start, end)))
    return nn.Sequential(*(haar_up(encoder[k], encoder[k - 1])[0] for k in range(start, end, -1)))
