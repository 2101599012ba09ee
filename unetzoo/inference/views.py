"""Test-time augmentation: the mean over mirrored and turned views of a window."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .windows import Network


class View(NamedTuple):
    """Quarter turns in the plane of the last two axes, then flips of the axes named, counted from the end."""

    turns: int
    flips: tuple[int, ...]


def views(tile: Sequence[int], *, flips: bool, rotations: bool) -> list[View]:
    """The different ways to look at a window: 4 or 8 by flips, 4 by rotations, 8 or 16 by both.

    Raises:
        ValueError: If windows that are not square are to be turned.
    """
    if rotations and tile[-1] != tile[-2]:
        raise ValueError(
            f"tiles of {' x '.join(map(str, tile))} are not square in the plane, so they cannot be turned; "
            "leave rotations out"
        )
    axes = range(-len(tile), 0)
    subsets = [s for count in range(len(tile) + 1) for s in itertools.combinations(axes, count)]
    if flips:  # half a turn is two flips
        return [View(turns, subset) for turns in range(2 if rotations else 1) for subset in subsets]
    return [View(turns, ()) for turns in range(4 if rotations else 1)]


def averaged(network: Network, ways: Sequence[View]) -> Network:
    """The network's mean over views, each turned back."""
    if len(ways) == 1:
        return network

    def mean(batch: np.ndarray) -> np.ndarray:
        total: np.ndarray | None = None
        for turns, flips in ways:
            seen = np.flip(np.rot90(batch, turns, axes=(-2, -1)), flips)
            said = network(np.ascontiguousarray(seen))
            back = np.rot90(np.flip(said, flips), -turns, axes=(-2, -1))
            total = back.astype(np.float32) if total is None else np.add(total, back, out=total)
        assert total is not None
        return total / np.float32(len(ways))

    return mean
