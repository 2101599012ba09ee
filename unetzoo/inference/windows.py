"""Overlapping windows over an image of any size, and the weights that blend them without seams."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from .contract import BLENDS

Network = Callable[[np.ndarray], np.ndarray]
"""(B, C, *tile) float32 to logits (B, K, *tile)."""


def starts(size: int, tile: int, overlap: float) -> list[int]:
    """First pixels of the windows along one axis, spread evenly, so that the last one ends at the border.

    Neighbours share at least ``overlap`` (a fraction of the tile). An axis shorter than the tile has one
    window.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap is a fraction of the tile, at least 0 and below 1; given {overlap}")
    if size <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = math.ceil((size - tile) / step) + 1
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def windows(size: Sequence[int], tile: Sequence[int], overlap: float) -> list[tuple[slice, ...]]:
    """Windows of one size that cover an image, in row-major order; see `starts`."""
    require_axes(size, tile)
    axes = [
        [slice(start, start + min(t, s)) for start in starts(s, t, overlap)]
        for s, t in zip(size, tile, strict=True)
    ]
    return list(itertools.product(*axes))


def require_axes(size: Sequence[int], tile: Sequence[int]) -> None:
    """Refuse a tile of another dimension than the image."""
    if len(size) != len(tile):
        raise ValueError(f"tile {tuple(tile)} does not fit an image of {len(size)} axes, {tuple(size)}")


def pad_to(x: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Mirror the last axes of ``x`` to at least ``size``; also the slices that cut the original out.

    Use as ``padded[(..., *crop)]``. Padding goes to both sides alike.
    """
    spatial = x.shape[-len(size) :]
    missing = [max(0, want - have) for want, have in zip(size, spatial, strict=True)]
    before = [m // 2 for m in missing]
    crop = tuple(slice(b, b + have) for b, have in zip(before, spatial, strict=True))
    if not any(missing):
        return x, crop
    widths = [(0, 0)] * (x.ndim - len(size)) + [(b, m - b) for b, m in zip(before, missing, strict=True)]
    return np.pad(x, widths, mode="symmetric"), crop


def axis_weights(size: int, tile: int, overlap: float, blend: str) -> list[np.ndarray]:
    """Weights (tile,) of each window along one axis; where windows overlap they sum to one.

    Scaled beforehand, they need no second accumulator, and a pixel seen once keeps its value exactly.

    Args:
        size: At least ``tile``.
        blend: ``gaussian`` (centres of tiles count more, as in nnU-Net, Isensee et al. 2021), ``linear``
            (falling to the border), ``constant``, or ``crop`` (the window whose centre is nearest alone).
    """
    if blend not in BLENDS:
        raise ValueError(f"blend '{blend}' is unknown; choose {', '.join(BLENDS)}")
    first = starts(size, tile, overlap)
    if blend == "crop":
        # the middles of the overlaps; a window keeps what lies between two of them
        cuts = [0, *((a + tile + b) // 2 for a, b in itertools.pairwise(first)), size]
        return [
            ((at >= low) & (at < high)).astype(np.float64)
            for at, low, high in zip((s + np.arange(tile) for s in first), cuts, cuts[1:], strict=False)
        ]
    centred = np.abs(np.arange(tile) - (tile - 1) / 2)
    if blend == "gaussian":  # nnU-Net's sigma; at the border the weight is exp(-8), small but never zero
        window = np.exp(-0.5 * (centred / (tile / 8)) ** 2)
    else:
        window = (tile + 1) / 2 - centred if blend == "linear" else np.ones(tile)
    summed = np.zeros(size)
    for start in first:
        summed[start : start + tile] += window
    return [window / summed[start : start + tile] for start in first]
