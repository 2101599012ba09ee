"""A finest skip that has seen all rows."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks import DilatedGate, depthwise_up
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, conv_unit, norm, sum_of
from unetzoo.skips.base import SkipPathway

__all__ = ["AttentionPool", "PooledSkip"]


class AttentionPool(nn.Module):
    """Pool all rows to one map of the finest row's shape, by their weights in each pixel.

    With X_i the rows at one width and size, and P their mean by a softmax over rows of scores in each pixel,
    the mean over i of ``sigmoid(norm(w((sigmoid(X_i) P) (sigmoid(P) X_i)))) X_i``: the aggregated pooling
    (APM) of "MACMD" (2025). Score and w are the same for all rows.

    Args:
        levels: Rows, finest first.
        reduction: Inner channels of the scores are the width divided by this, one at least.
    """

    def __init__(self, levels: Sequence[Level], *, reduction: int = 8) -> None:
        super().__init__()
        finest, ndim, width = levels[0], len(levels[0].stride), levels[0].channels
        self.projections = nn.ModuleList()
        for row in levels:
            up = [] if row is finest else [depthwise_up(Level(width, row.stride), finest)[0]]
            self.projections.append(nn.Sequential(*conv_unit(ndim, row.channels, width, 1), *up))
        inner = max(1, width // reduction)
        self.score = nn.Sequential(conv(ndim, width, inner), nn.ReLU(inplace=True), conv(ndim, inner, 1))
        self.weigh = nn.Sequential(conv(ndim, width, width, bias=False), norm("batch", ndim, width))

    def forward(self, rows: list[Tensor]) -> Tensor:
        """(B, C_i, *size_i) per row to (B, C_0, *size_0)."""
        x = [project(row) for project, row in zip(self.projections, rows, strict=True)]
        pooled = sum_of(share * row for share, row in zip(self.shares(x), x, strict=True))
        weights = [self.weigh((row.sigmoid() * pooled) * (pooled.sigmoid() * row)).sigmoid() for row in x]
        return sum_of(w * row for w, row in zip(weights, x, strict=True)) / len(x)

    def shares(self, x: list[Tensor]) -> Tensor:
        """Rows at one shape (B, C, *size) to their shares in each pixel, (rows, B, 1, *size)."""
        return torch.stack([self.score(row) for row in x]).softmax(0)


class PooledSkip(SkipPathway):
    """Another pathway's skips, and beside the finest of them a map pooled from all rows.

    The encoder's side of "MACMD" (2025): every row gates itself (`DilatedGate`), the gated rows are pooled
    (`AttentionPool`), and the map joins the finest skip, [skip, pooled]. The decoder starts from the gated
    bottleneck; the other skips are the inner pathway's, of ungated rows.

    Args:
        skip: Builds the pathway within.

    Raises:
        ValueError: If the pathway within merges with the decoder or has side outputs.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        skip: Callable[[Sequence[Level], Sequence[Gate]], SkipPathway],
    ) -> None:
        inner = skip(encoder, decoder)
        if inner.merges_itself or inner.side_levels:
            raise ValueError(
                f"{type(inner).__name__} merges with the decoder or has side outputs, which pooling cannot "
                "hand on; choose another pathway for skip.skip"
            )
        first, *others = inner.levels
        finest = Level(first.channels + encoder[0].channels, first.stride)
        super().__init__(encoder, decoder, levels=[finest, *others])
        self.skip = inner
        self.gates = nn.ModuleList(DilatedGate(len(row.stride), row.channels) for row in encoder)
        self.pool = AttentionPool(encoder)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, the finest wider by its pooled map."""
        first, *others, bottleneck = self.skip(features)
        rows = [*features[:-1], bottleneck]
        gated = [gate(row) for gate, row in zip(self.gates, rows, strict=True)]
        return [torch.cat([first, self.pool(gated)], 1), *others, gated[-1]]
