"""Graph convolutions whose nodes are pixels."""

from itertools import pairwise
from math import prod
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.context import Context
from unetzoo.levels import Level
from unetzoo.nd import Activation, Norm, activation, conv, full_precision, norm, sum_of

__all__ = ["GraphBlock", "GraphBottleneck", "GraphConv", "grid_mean", "nearest_mean"]

Adjacency = Literal["box", "cross", "nearest"]


class GraphConv(nn.Module):
    """``w_own x + w_near mean(x of the neighbours) + b``, with ``2 C C' + C'`` parameters.

    The graph convolution of Garcia-Uceda Juarez et al. 2019, arXiv:1908.08588, with a term for the node
    itself.

    Args:
        adjacency: box (the 8 or 26 pixels around) | cross (4 or 6) | nearest (the k most alike, wherever they
            are; found anew in every pass, without gradient through the choice).
        k: Neighbours of a node if they are the nearest; on a smaller map, all others.
        max_nodes: Largest map that the nearest are looked for in; the time grows with its square.

    Attributes:
        dynamic_size: The search for the nearest is recorded for one number of pixels.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        adjacency: Adjacency = "box",
        k: int = 26,
        max_nodes: int = 8192,
    ) -> None:
        super().__init__()
        if adjacency not in ("box", "cross", "nearest"):
            raise ValueError(f"adjacency {adjacency!r} is unknown; choose box, cross or nearest")
        if k < 1:
            raise ValueError(f"k={k} leaves a node without neighbours; choose 1 or more")
        self.adjacency, self.k, self.max_nodes = adjacency, k, max_nodes
        self.dynamic_size = adjacency != "nearest"
        own, near = conv(ndim, c_in, c_out), conv(ndim, c_in, c_out, bias=False)
        for layer in (own, near):
            # neighbours are much alike, so both terms together have the variance of He et al. 2015
            nn.init.kaiming_normal_(cast(Tensor, layer.weight), nonlinearity="linear")
        self.own, self.near = own, near

    def mean(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the mean over each pixel's neighbours, (B, C, *size)."""
        if self.adjacency != "nearest":
            return grid_mean(x, diagonal=self.adjacency == "box")
        if (nodes := prod(x.shape[2:])) > self.max_nodes:
            raise ValueError(
                f"the nearest of {nodes} pixels ({tuple(x.shape[2:])}) are asked for, more than "
                f"max_nodes={self.max_nodes}; choose adjacency=box, a coarser row or smaller patches"
            )
        return nearest_mean(x, self.k)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        out: Tensor = self.own(x) + self.near(self.mean(x))
        return out


def grid_mean(x: Tensor, *, diagonal: bool = True) -> Tensor:
    """Mean over the neighbours that a pixel has, without itself; a single pixel has none, which gives 0.

    Args:
        x: (B, C, *size).
        diagonal: Of all the 8 (26) pixels around, or of the 4 (6) that share an edge (a face).
    """
    ndim = x.dim() - 2
    lines = [tuple(3 if a == b else 1 for b in range(ndim)) for a in range(ndim)]
    kernels = [(3,) * ndim] if diagonal else lines
    # a sum less its centre needs the digits of float32
    x = x if x.dtype == torch.float64 else x.float()

    def around(y: Tensor) -> Tensor:
        return sum_of(_box(y, kernel) - y for kernel in kernels)

    return around(x) / around(torch.ones_like(x[:1, :1])).clamp(min=1)


def _box(x: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """Sum over a window, zeros beyond the border."""
    # padded by hand: torch's 3D pooling refuses maps smaller than its window
    x = F.pad(x, [p for k in reversed(kernel) for p in (k // 2, k // 2)])
    mean = F.avg_pool2d(x, kernel, 1) if len(kernel) == 2 else F.avg_pool3d(x, kernel, 1)
    return mean * prod(kernel)


def nearest_mean(x: Tensor, k: int, *, rows: int = 1024) -> Tensor:
    """Mean over the k other pixels whose features are the most alike, 0 where there are no others.

    Args:
        x: (B, C, *size).
        rows: Pixels whose distances to all others are held at a time.
    """
    tokens = x.flatten(2).transpose(1, 2)  # (B, M, C)
    count, width = tokens.shape[1:]
    if (k := min(k, count - 1)) < 1:
        return torch.zeros_like(x)
    means = []
    for start in range(0, count, rows):
        nearest = _nearest(tokens.detach(), start, min(rows, count - start), k)
        chosen = tokens.gather(1, nearest.flatten(1).unsqueeze(2).expand(-1, -1, width))
        means.append(torch.unflatten(chosen, 1, (-1, k)).mean(2))
    return torch.cat(means, 1).transpose(1, 2).reshape(x.shape)


@torch.no_grad()
def _nearest(tokens: Tensor, start: int, length: int, k: int) -> Tensor:
    """(B, M, C) to the k nearest others of nodes from ``start`` on, (B, length, k)."""
    # distances do not change with the origin, and around the mean the least is lost in taking differences
    tokens = tokens if tokens.dtype == torch.float64 else tokens.float()
    tokens = tokens - tokens.mean(1, keepdim=True)
    some = tokens.narrow(1, start, length)
    # |a - b|^2 less |a|^2, which is the same for all b
    with full_precision(tokens):
        distance = tokens.square().sum(2).unsqueeze(1) - 2 * some @ tokens.transpose(1, 2)
    nodes = torch.arange(tokens.shape[1], device=tokens.device)
    itself = nodes.narrow(0, start, length).unsqueeze(1) == nodes
    return distance.masked_fill(itself, torch.inf).topk(k, dim=2, largest=False).indices


class GraphBlock(nn.Module):
    """Graph convolutions in place of a block of 3x3 ones (Garcia-Uceda Juarez et al. 2019, arXiv:1908.08588).

    Args:
        c_out: Width of every layer; ``None`` is ``c_in``.
        layers: Graph convolutions; each makes a grid's field of view wider by one pixel.
        residual: Add the input to the output, which then has no activation.
        identity_init: Start as the identity: the last layer is zero. Needs ``residual``.
        options: The other arguments of `GraphConv`.

    Raises:
        ValueError: If there is no layer, or the input cannot be added to the output.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int | None = None,
        *,
        layers: int = 2,
        norm_name: Norm | None = None,
        activation_name: Activation = "relu",
        residual: bool = False,
        identity_init: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        c_out = c_in if c_out is None else c_out
        if layers < 1:
            raise ValueError(f"layers={layers} is no graph network; choose 1 or more")
        if residual and c_in != c_out:
            raise ValueError(f"{c_in} channels cannot be added to {c_out}; set residual to false")
        if identity_init and not residual:
            raise ValueError("identity_init=true needs residual=true")
        self.residual = residual
        body: list[nn.Module] = []
        for a, b in pairwise([c_in] + [c_out] * layers):
            body += [GraphConv(ndim, a, b, **options), norm(norm_name, ndim, b), activation(activation_name)]
        self.body = nn.Sequential(*(body[:-2] if residual else body))
        if identity_init:
            for parameter in self.body[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        out: Tensor = self.body(x)
        return x + out if self.residual else out


class GraphBottleneck(Context):
    """`GraphBlock` on the bottleneck.

    Args:
        width: Channels of every layer; ``None`` keeps the bottleneck's.
        options: The other arguments of `GraphBlock`.
    """

    def __init__(self, level: Level, *, width: int | None = None, **options: Any) -> None:
        super().__init__()
        self.channels = level.channels if width is None else width
        self.block = GraphBlock(len(level.stride), level.channels, self.channels, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        out: Tensor = self.block(x)
        return out
