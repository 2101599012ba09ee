"""The rows of the U: what parts tell each other before a weight exists."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Gate", "Level", "MaskedLevel", "ratio"]


class Level(NamedTuple):
    """One row of the U. Rows are listed finest first, the bottleneck last.

    Attributes:
        channels: Width of the feature map.
        stride: Input pixels per feature pixel and axis; its length, 2 or 3, is the dimension.
    """

    channels: int
    stride: tuple[int, ...]


class MaskedLevel(Level):
    """A row whose last channel is the share of each pixel's area that has no data, from 0 to 1."""

    __slots__ = ()


class Gate(NamedTuple):
    """The decoder's feature where it meets a skip.

    Attributes:
        channels: Width after resampling to the skip's row.
        stride: The skip's stride.
        coarse: The same feature before resampling, what the attention papers call the gating signal.
    """

    channels: int
    stride: tuple[int, ...]
    coarse: Level


def ratio(coarse: Sequence[int], fine: Sequence[int]) -> tuple[int, ...]:
    """Factor per axis from the coarse stride to the fine one.

    Raises:
        ValueError: If a stride is not a multiple of the finer one.
    """
    if any(c % f for c, f in zip(coarse, fine, strict=True)):
        raise ValueError(
            f"stride {tuple(coarse)} is no multiple of stride {tuple(fine)}; "
            "rows of the U must be listed finest first, each dividing the next"
        )
    return tuple(c // f for c, f in zip(coarse, fine, strict=True))
