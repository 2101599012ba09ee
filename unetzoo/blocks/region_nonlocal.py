"""Non-local attention within the cells of a grid."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, crop_to, max_pool, pad_to_multiple

__all__ = ["RegionNonLocal"]


class RegionNonLocal(nn.Module):
    """Every pixel attends to its own cell of a grid laid over the map; the weights are shared by all cells.

    ``x + w(softmax(theta(x) phi(x)^T) g(x))`` per cell, an embedded Gaussian non-local block (Wang et al.
    2018, arXiv:1711.07971) with ``phi`` and ``g`` max-pooled by 2, in the wide cells of Park et al. 2022,
    "MCW-Net", arXiv:2009.13990. A map that does not divide into cells of even size is padded by its border,
    which is then attended to as well.

    Args:
        grid: Cells per axis; axes missing in front have one. A cell's own size follows from the map's.
        identity_init: ``w`` starts at zero, as in the paper.
    """

    def __init__(self, ndim: int, channels: int, *, grid: Sequence[int], identity_init: bool = True) -> None:
        super().__init__()
        if len(grid) > ndim or min(grid) < 1:
            raise ValueError(f"grid {list(grid)} must list up to {ndim} numbers of cells, 1 or more")
        self.grid = (*[1] * (ndim - len(grid)), *grid)
        inner = max(1, channels // 2)
        self.theta, self.phi, self.g = (conv(ndim, channels, inner) for _ in range(3))
        self.w = conv(ndim, inner, channels)
        if identity_init:
            for parameter in self.w.parameters():
                nn.init.zeros_(parameter)
        self.pool = max_pool((2,) * ndim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        # two pixels per cell at least, or pooling would leave nothing
        cells = self._split(pad_to_multiple(x, [2 * n for n in self.grid]))  # (B * cells, C, *cell)
        query = self.theta(cells)
        keys, values = self.pool(self.phi(cells)), self.pool(self.g(cells))
        q, k, v = (t.flatten(2).transpose(1, 2) for t in (query, keys, values))
        # one head: (B * cells, 1, pixels, inner)
        seen = F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), scale=1.0)
        seen = seen.squeeze(1).transpose(1, 2).reshape(query.shape)
        return crop_to(self._join(cells + self.w(seen)), x)

    def _split(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B * cells, C, *cell)."""
        n = len(self.grid)
        for axis, count in enumerate(self.grid):
            x = torch.unflatten(x, 2 + 2 * axis, (count, -1))  # (B, C, cells, cell, cells, cell ...)
        order = [0, *range(2, 2 + 2 * n, 2), 1, *range(3, 3 + 2 * n, 2)]
        return x.permute(order).flatten(0, n)

    def _join(self, x: Tensor) -> Tensor:
        """The way back."""
        n = len(self.grid)
        x = torch.unflatten(x, 0, (-1, *self.grid))  # (B, *cells, C, *cell)
        x = x.permute([0, n + 1, *(i for axis in range(n) for i in (1 + axis, n + 2 + axis))])
        for axis in range(n):
            x = x.flatten(2 + axis, 3 + axis)
        return x
