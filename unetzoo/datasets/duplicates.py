"""Pictures that show the same but for their encoding, size or brightness, by a perceptual hash."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.fft

from ..inference.geometry import Image

# Measured on pictures of cells, eyes, streets and roofs: re-encoded as JPG of quality 30, or scaled by 0.25
# to 1.4, one stays within 8 bits and a correlation of 0.96; eyes of two children come as near as 6 and 0.85.
_BITS, _CORRELATION = 8, 0.92
_CHUNK = 4096  # pairs are compared so many rows at a time


class Look(NamedTuple):
    """What is left of an image when it is made small."""

    bits: np.ndarray
    """64 signs, 1 and -1, of the lowest frequencies against their median."""
    detail: np.ndarray
    """The frequencies above them up to three times as high, of length 1."""


def look(image: Image) -> Look | None:
    """The small image; None where it has no contrast, since all such look the same.

    The bits are the pHash of Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", with 8 x 8 frequencies of 32 x 32 means, or 4 x 4 x 4 of 16 x 16 x 16 for volumes.
    """
    grey = np.where(image.valid, image.data.mean(axis=0, dtype=np.float64), 0)
    small, kept = (32, 8) if grey.ndim == 2 else (16, 4)
    for axis, size in enumerate(grey.shape):
        first = np.arange(small) * size // small
        counts = np.maximum(np.diff(first, append=size), 1)  # fewer pixels than that are repeated
        grey = np.add.reduceat(grey, first, axis=axis) / np.expand_dims(
            counts, [a for a in range(grey.ndim) if a != axis]
        )
    frequencies = scipy.fft.dctn(grey)
    low = frequencies[(slice(0, kept),) * grey.ndim].ravel().copy()
    frequencies[(slice(0, kept),) * grey.ndim] = 0
    detail = frequencies[(slice(0, 3 * kept),) * grey.ndim].ravel()
    length = float(np.linalg.norm(detail))
    if not np.isfinite(length) or length < 1e-6 * abs(low[0]) + 1e-9:
        return None
    bits = np.where(low > np.median(low[1:]), 1, -1)
    return Look(bits.astype(np.float32), (detail / length).astype(np.float32))


def same_looks(looks: Sequence[Look]) -> Iterator[tuple[int, int]]:
    """Pairs of indices, the smaller one first, of images that look the same."""
    if not looks:
        return
    bits, details = (np.stack([getattr(each, name) for each in looks]) for name in Look._fields)
    for start in range(0, len(looks), _CHUNK):
        distance = (bits.shape[1] - bits[start : start + _CHUNK] @ bits.T) / 2
        for row, column in np.argwhere(distance <= _BITS):
            first = start + int(row)
            if first < column and details[first] @ details[column] >= _CORRELATION:
                yield first, int(column)
