"""In which order a scan meets the pixels of a map."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

import torch
from torch import Tensor

__all__ = ["Diagonal", "Innermost", "Lines", "Order", "Scan", "orders_of"]

Scan = Literal["ss2d", "cs2d", "cascade", "bidirectional"]


class Order(Protocol):
    """A way to lay out a map of any size as sequences, and back."""

    def tokens(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (sequences, L, C)."""
        ...

    def image(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """(sequences, L, C) to (B, C, *size), the inverse."""
        ...


@dataclass(frozen=True)
class Innermost:
    """All pixels in one sequence, this axis fastest: 1 is row by row in 2D, 0 column by column."""

    axis: int

    def tokens(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, pixels, C)."""
        return x.movedim(2 + self.axis, -1).flatten(2).transpose(1, 2)

    def image(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """(B, pixels, C) to (B, C, *size)."""
        grid = torch.unflatten(tokens.transpose(1, 2), 2, (*_others(size, self.axis), size[self.axis]))
        return grid.movedim(-1, 2 + self.axis)

    def strides(self, size: Sequence[int]) -> tuple[int, int]:
        """The same sequence as ``order`` of `selective_scan` over pixels as they lie."""
        return size[self.axis], prod(size[self.axis + 1 :])


@dataclass(frozen=True)
class Lines:
    """Every line along this axis is a sequence of its own."""

    axis: int

    def tokens(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B * lines, pixels of a line, C)."""
        return x.movedim(2 + self.axis, -1).movedim(1, -1).flatten(0, -3)

    def image(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """(B * lines, pixels of a line, C) to (B, C, *size)."""
        grid = torch.unflatten(tokens, 0, (-1, *_others(size, self.axis)))
        return grid.movedim(-1, 1).movedim(-1, 2 + self.axis)


@dataclass(frozen=True)
class Diagonal:
    """All pixels of a 2D map in one sequence, diagonal by diagonal, each downwards.

    Diagonals run to the lower right and are taken from the lower left corner on; ``anti``: to the lower left,
    from the upper left corner on.
    """

    anti: bool = False

    def order(self, size: Sequence[int], device: torch.device) -> Tensor:
        """Row-major index of every place of the sequence, (pixels,)."""
        height, width = size
        i, j = torch.arange(height, device=device).unsqueeze(1), torch.arange(width, device=device)
        diagonal = i + j if self.anti else j - i + height - 1
        return (diagonal * (height + width) + i).flatten().argsort()

    def tokens(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, H * W, C)."""
        return x.flatten(2).index_select(2, self.order(x.shape[2:], x.device)).transpose(1, 2)

    def image(self, tokens: Tensor, size: Sequence[int]) -> Tensor:
        """(B, H * W, C) to (B, C, H, W)."""
        place = self.order(size, tokens.device).argsort()
        return torch.unflatten(tokens.index_select(1, place).transpose(1, 2), 2, tuple(size))


def orders_of(scan: Scan, ndim: int) -> list[Order]:
    """The orders of a scan by name, in 2D row by row before column by column.

    ``ss2d`` and ``cs2d`` have one per axis, ``cs2d`` in 2D both diagonals too; ``bidirectional`` goes row by
    row alone and ``cascade`` along the lines of one axis after the other.

    Raises:
        ValueError: If the name is unknown.
    """
    axes = [*reversed(range(ndim))]
    if scan == "cascade":
        return [Lines(axis) for axis in axes]
    if scan == "bidirectional":
        return [Innermost(axes[0])]
    if scan not in ("ss2d", "cs2d"):
        raise ValueError(f"scan {scan!r} is unknown; choose ss2d, cs2d, cascade or bidirectional")
    diagonals = [Diagonal(), Diagonal(anti=True)] if scan == "cs2d" and ndim == 2 else []
    return [*(Innermost(axis) for axis in axes), *diagonals]


def _others(size: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(s for k, s in enumerate(size) if k != axis)
