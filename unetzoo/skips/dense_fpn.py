"""CATNet's densely connected feature pyramid as a skip pathway."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv_unit, max_pool, resize, sum_of
from unetzoo.skips.neck import Neck

__all__ = ["DenseFPN"]


class DenseFPN(Neck):
    """Every row receives all coarser rows, then all finer ones, weighed; several times over.

    Down, for every row i: ``t_i = B(relu(x_i + sum_k a_ik up(x_k)))`` over the coarser rows k; then up:
    ``x_i' = B'(relu(x_i + t_i + sum_k b_ik max_pool(t_k)))`` over the finer ones. ``a_i`` and ``b_i`` are
    softmaxes of learned vectors that all stages share; B is a linear bottleneck, 1x1, 3x3, 1x1. Liu et al.
    2021, "Learning to Aggregate Multi-Scale Context", arXiv:2111.11057. The paper's extra row, coarser than
    the encoder's, is left out: a U has its own bottleneck.

    Args:
        channels: Width of the pyramid and of every skip.
        stack_times: Number of stages.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int = 256,
        stack_times: int = 5,
    ) -> None:
        if stack_times < 1:
            raise ValueError(f"stack_times={stack_times} leaves no stage; give 1 or more")
        super().__init__(encoder, decoder, channels=channels)
        ndim, count = len(encoder[0].stride), len(encoder)
        self.laterals = nn.ModuleList(
            nn.Sequential(*conv_unit(ndim, row.channels, channels, 1, activation_name=None))
            for row in encoder
        )
        self.ups, self.pools = nn.ModuleDict(), nn.ModuleDict()
        for fine in range(count):
            for coarse in range(fine + 1, count):
                factor = ratio(encoder[coarse].stride, encoder[fine].stride)
                self.ups[f"{coarse}_{fine}"] = resize(factor)
                self.pools[f"{fine}_{coarse}"] = max_pool(factor)
        # one source needs no weights
        self.coarser_weights = nn.ParameterDict(
            {str(i): nn.Parameter(torch.ones(count - 1 - i)) for i in range(count - 2)}
        )
        self.finer_weights = nn.ParameterDict({str(i): nn.Parameter(torch.ones(i)) for i in range(2, count)})
        self.stages = nn.ModuleList(_Stage(ndim, channels, rows=count) for _ in range(stack_times))

    def pyramid(self, features: list[Tensor]) -> list[Tensor]:
        """All stages, finest row first."""
        rows = [lateral(f) for lateral, f in zip(self.laterals, features, strict=True)]
        count = len(rows)
        for stage in self.stages:
            assert isinstance(stage, _Stage)
            down = []
            for i, block in enumerate(stage.down):
                coarser = [self.ups[f"{k}_{i}"](rows[k]) for k in range(i + 1, count)]
                down.append(block(rows[i] + _weighed(coarser, self.coarser_weights, i)))
            up = []
            for i, block in enumerate(stage.up):
                finer = [self.pools[f"{k}_{i}"](down[k]) for k in range(i)]
                up.append(block(rows[i] + down[i] + _weighed(finer, self.finer_weights, i)))
            rows = up
        return rows


class _Stage(nn.Module):
    """B and B' of every row."""

    def __init__(self, ndim: int, channels: int, *, rows: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_bottleneck(ndim, channels) for _ in range(rows))
        self.up = nn.ModuleList(_bottleneck(ndim, channels) for _ in range(rows))


def _bottleneck(ndim: int, channels: int) -> nn.Module:
    """The only non-linearity comes first; never start its last layer at zero, nothing leads around it."""
    inner = channels // 2
    return nn.Sequential(
        nn.ReLU(),
        *conv_unit(ndim, channels, inner, 1, activation_name=None),
        *conv_unit(ndim, inner, inner, 3, activation_name=None),
        *conv_unit(ndim, inner, channels, 1, activation_name=None),
    )


def _weighed(sources: list[Tensor], weights: nn.ParameterDict, row: int) -> Tensor | float:
    """Sum of the sources by the softmax of the row's weights; 0 without sources."""
    if len(sources) < 2:
        return sources[0] if sources else 0.0
    shares = weights[str(row)].softmax(0)
    return sum_of(share * source for share, source in zip(shares, sources, strict=True))
