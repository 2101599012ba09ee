"""The selective scan of maps."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.scan_orders import Innermost, Scan, orders_of
from unetzoo.blocks.state_space import StateSpace, scan_in_place, scan_together
from unetzoo.blocks.token_init import token_init
from unetzoo.nd import conv, norm, sum_of

__all__ = ["SS2D", "ScannedMap"]


class ScannedMap(nn.Module):
    """State spaces that go over a map in several orders, each with weights of its own, summed.

    In VMamba's cascade an order sees what the one before made of the map, behind a norm, and its lines are
    short sequences; all other scans go over the whole map at once.

    Args:
        channels: Width of the map.
        scan: ss2d (every axis fastest in turn, forwards and backwards: four in 2D, six in 3D) | cs2d (row by
            row, column by column and along both diagonals, forwards; in 3D as ss2d) | cascade (the lines of
            each axis forwards and backwards, axis after axis) | bidirectional (row by row, both ways).
        backwards: Whether every order is taken from its end too; ``None`` is the scan's own.
        state: Numbers that each channel remembers.
        rank: Of the projection that makes the step widths.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        scan: Scan = "ss2d",
        backwards: bool | None = None,
        state: int = 16,
        rank: int,
    ) -> None:
        super().__init__()
        self.orders: list[Any] = orders_of(scan, ndim)
        if backwards is None:
            backwards = scan != "cs2d" or ndim == 3
        self.ways = (False, True) if backwards else (False,)
        self.spaces: Any = nn.ModuleList(
            nn.ModuleList(StateSpace(channels, state=state, rank=rank) for _ in self.ways)
            for _ in self.orders
        )
        self.cascade = scan == "cascade"
        between = len(self.orders) - 1 if self.cascade else 0
        self.norms = nn.ModuleList(norm("layer", ndim, channels) for _ in range(between))

    def along(self, orders: Sequence[int], x: Tensor) -> Tensor:
        """(B, C, *size) to the same: the sum of these orders in all ways."""
        if torch.compiler.is_exporting():  # a scan in a graph is dear by itself, whatever its width
            return self.copied(orders, x)
        in_place = [k for k in orders if isinstance(self.orders[k], Innermost)]
        copied = [k for k in orders if k not in in_place]
        parts = [self.in_place(in_place, x)] if in_place else []
        return sum_of([*parts, self.copied(copied, x)] if copied else parts)

    def in_place(self, orders: Sequence[int], x: Tensor) -> Tensor:
        """Orders that step through the pixels as they lie, all in one operation."""
        size = x.shape[2:]
        ways = [(reverse, *self.orders[k].strides(size)) for k in orders for reverse in self.ways]
        spaces = [space for k in orders for space in self.spaces[k]]
        y = scan_in_place(spaces, x.flatten(2).transpose(1, 2), ways)
        return torch.unflatten(y.transpose(1, 2), 2, size)

    def copied(self, orders: Sequence[int], x: Tensor) -> Tensor:
        """Pixels laid out order by order; all orders of one way in one scan."""
        tokens = [self.orders[k].tokens(x) for k in orders]
        ways = [
            scan_together([self.spaces[k][way] for k in orders], tokens, reverse=reverse)
            for way, reverse in enumerate(self.ways)
        ]
        sums = [sum_of([*of_order]) for of_order in zip(*ways, strict=True)]
        return sum_of([self.orders[k].image(y, x.shape[2:]) for k, y in zip(orders, sums, strict=True)])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        if not self.cascade:
            return self.along(range(len(self.orders)), x)
        x = self.along([0], x)
        for order, between in enumerate(self.norms, start=1):
            x = self.along([order], between(x))
        return x


class SS2D(nn.Module):
    """VMamba's token mixer: a selective scan over the map in four directions, six in 3D.

    ``leave(norm(scan(silu(local(x)))) * silu(z))`` with ``x, z = enter(input)``, Liu et al. 2024, "VMamba",
    arXiv:2401.10166, sec. 4.2 and fig. 4.

    Args:
        channels: Width of input and output.
        state: Numbers that each channel remembers per direction.
        ratio: Inner width in units of ``channels``.
        scan: Orders in which pixels are met, see `ScannedMap`.
        backwards: Whether every order is taken from its end too; ``None`` is the scan's own.
        gate: Multiply by ``silu(z)``; VMamba's later versions do not.
        bias: Of the 3x3 convolution.
        identity_init: Start as zero.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        state: int = 16,
        ratio: float = 2.0,
        scan: Scan = "ss2d",
        backwards: bool | None = None,
        gate: bool = True,
        bias: bool = True,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        inner = max(1, round(ratio * channels))
        self.enter = token_init(conv(ndim, channels, inner * (1 + gate), bias=False))
        self.local = conv(ndim, inner, inner, 3, groups=inner, bias=bias)
        self.scan = ScannedMap(
            ndim, inner, scan=scan, backwards=backwards, state=state, rank=ceil(channels / 16)
        )
        self.norm = norm("layer", ndim, inner)
        self.leave = token_init(conv(ndim, inner, channels, bias=False))
        self.gate = gate
        if identity_init:
            for parameter in self.leave.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        x, *z = self.enter(x).chunk(1 + self.gate, 1)
        y = self.norm(self.scan(F.silu(self.local(x))))
        out: Tensor = self.leave(y * F.silu(z[0]) if z else y)
        return out
