"""A network over an image of any size: overlapping tiles, blended without seams."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

Network = Callable[[np.ndarray], np.ndarray]
"""(B, C, *tile) float32 to logits (B, K, *tile)."""


def windows(size: Sequence[int], tile: Sequence[int], overlap: float) -> list[tuple[slice, ...]]:
    """Windows of one size that cover an image, in row-major order.

    Neighbours share at least ``overlap`` (a fraction of the tile); starts are spread evenly, so that the last
    window ends at the border. An axis shorter than the tile has one window of its own length.
    """
    if len(size) != len(tile):
        raise ValueError(f"tile {tuple(tile)} does not fit an image of {len(size)} axes, {tuple(size)}")
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap is a fraction of the tile, at least 0 and below 1; given {overlap}")
    axes = [
        [slice(start, start + min(t, s)) for start in _starts(s, t, overlap)]
        for s, t in zip(size, tile, strict=True)
    ]
    return list(itertools.product(*axes))


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


def predict_tiled(
    network: Network,
    x: np.ndarray,
    *,
    tile: Sequence[int],
    overlap: float = 0.25,
    blend: str = "gaussian",
    batch_size: int = 4,
    flips: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Logits (K, *size) float32 of a whole image (C, *size).

    The network always sees (B, C, *tile): smaller images are mirrored up to the tile and cut back. Weights
    are the outer product of one vector per axis and are scaled beforehand to sum to one at every pixel, so
    that one accumulator (K, *size) is all the memory needed, and a pixel seen once keeps its value exactly.

    Args:
        overlap: Of neighbouring tiles, as a fraction of the tile.
        blend: ``gaussian`` (centres of tiles count more, as in nnU-Net, Isensee et al. 2021) or ``constant``.
        batch_size: Tiles per call of the network; no influence on the result.
        flips: Mean of the logits over the flips of all axes (4 in 2D, 8 in 3D).
        progress: Called with the number of tiles done and their total.
    """
    tile = tuple(tile)
    x, crop = pad_to(np.asarray(x, np.float32), tile)
    size = x.shape[1:]
    places = windows(size, tile, overlap)
    weights = [_axis_weights(s, t, overlap, blend) for s, t in zip(size, tile, strict=True)]
    total: np.ndarray | None = None
    for first in range(0, len(places), batch_size):
        batch = places[first : first + batch_size]
        logits = _flipped_mean(network, np.stack([x[(slice(None), *place)] for place in batch]), flips)
        if logits.shape[0] != len(batch) or logits.shape[2:] != tile:
            raise ValueError(f"the network gave {logits.shape} for {len(batch)} tiles of {tile}")
        if total is None:
            total = np.zeros((logits.shape[1], *size), np.float32)
        for place, values in zip(batch, logits, strict=True):
            vectors = [by_start[where.start] for where, by_start in zip(place, weights, strict=True)]
            total[(slice(None), *place)] += values * functools.reduce(np.multiply.outer, vectors).astype(
                np.float32
            )
        if progress:
            progress(first + len(batch), len(places))
    assert total is not None  # there is always at least one window
    return total[(slice(None), *crop)]


def _starts(size: int, tile: int, overlap: float) -> list[int]:
    if size <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = math.ceil((size - tile) / step) + 1
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def _axis_weights(size: int, tile: int, overlap: float, blend: str) -> dict[int, np.ndarray]:
    """Weights (tile,) along one axis by the window's start; over the windows they sum to one everywhere."""
    if blend not in ("gaussian", "constant"):
        raise ValueError(f"blend '{blend}' is unknown; choose gaussian or constant")
    # nnU-Net's sigma; at the tile's border the weight is exp(-8), small but never zero
    distance = (np.arange(tile) - (tile - 1) / 2) / (tile / 8)
    window = np.exp(-0.5 * distance**2) if blend == "gaussian" else np.ones(tile)
    starts = _starts(size, tile, overlap)
    summed = np.zeros(size)
    for start in starts:
        summed[start : start + tile] += window
    return {start: window / summed[start : start + tile] for start in starts}


def _flipped_mean(network: Network, batch: np.ndarray, flips: bool) -> np.ndarray:
    """Mean of the network's logits over the flips of all spatial axes, each flipped back."""
    if not flips:
        return network(batch)
    axes = range(2, batch.ndim)
    subsets = [s for count in range(batch.ndim - 1) for s in itertools.combinations(axes, count)]
    flipped = [np.flip(network(np.ascontiguousarray(np.flip(batch, s))), s) for s in subsets]
    return np.asarray(np.mean(flipped, axis=0, dtype=np.float32))
