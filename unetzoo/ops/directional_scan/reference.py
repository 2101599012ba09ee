"""The definition: one selective scan per direction, summed."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.ops.selective_scan import selective_scan

__all__ = ["Way", "scans_summed"]

Way = tuple[bool, int, int]


def scans_summed(
    u: Tensor, terms: Tensor, expand: Tensor, A: Tensor, D: Tensor, bias: Tensor, ways: Sequence[Way]
) -> Tensor:
    """As `directional_scan`."""
    rank = expand.shape[2]
    state = (terms.shape[3] - rank) // 2
    y = []
    for k, (reverse, fast, apart) in enumerate(ways):
        low, into, out = torch.split(terms[:, :, k], [rank, state, state], -1)
        delta = F.linear(low, expand[k])
        y.append(
            selective_scan(
                u, delta, A[k], into, out, D[k], None, bias[k], True, reverse=reverse, order=(fast, apart)
            )
        )
    return sum(y[1:], y[0])
