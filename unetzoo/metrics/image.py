"""How far a predicted image is from its target."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch

from unetzoo.losses.ssim import StructuralDissimilarity

__all__ = ["ImageErrors", "ImageTally", "image_errors"]

_BLOCK = 512  # pixels along each axis whose similarity is computed at once, in some twenty arrays of doubles


class ImageErrors(NamedTuple):
    """Of one case.

    Attributes:
        mae: Mean absolute error, in the images' unit.
        psnr: Peak signal-to-noise ratio in dB, ``10 log10(range^2 / mean squared error)``.
        ssim: Mean structural similarity, 1 for equal images.
    """

    mae: float
    psnr: float
    ssim: float


def image_errors(prediction: np.ndarray, target: np.ndarray, value_range: tuple[float, float]) -> ImageErrors:
    """Compare two images (K, *size) where the target is finite; nan if it is so nowhere.

    SSIM is that of Wang et al. 2004, with a Gaussian of sigma 1.5 in 11 pixels along each axis, the image
    mirrored at its border: the mean of its map over the pixels that count. Elsewhere both images have the
    smallest value of the range, as is usual where a body mask is given.

    Args:
        value_range: Smallest and largest value that occurs; PSNR and SSIM are relative to their difference.
    """
    tally = ImageTally(target.shape[1], value_range)
    tally.add(prediction, target)
    return tally.errors


class ImageTally:
    """`image_errors` from rows that nobody keeps, but for those that windows of SSIM reach into.

    Args:
        rows: Of the whole image; of volumes these are slices.
        value_range: Smallest and largest value that occurs.
    """

    def __init__(self, rows: int, value_range: tuple[float, float]) -> None:
        self.rows, self.low, self.range = rows, value_range[0], value_range[1] - value_range[0]
        self._ssim = StructuralDissimilarity(value_range=self.range)
        self._reach = self._ssim.window // 2
        self._count = 0
        self._absolute = self._squared = self._similar = 0.0
        self._kept: tuple[np.ndarray, ...] = ()  # prediction, target and where it counts, from row _first
        self._first = self._done = 0

    def add(self, prediction: np.ndarray, target: np.ndarray) -> None:
        """The next rows (K, rows, *rest) of both, from the first to the last."""
        known = np.isfinite(target)
        error = (prediction[known] - target[known]).astype(np.float64)
        self._count += error.size
        self._absolute += float(np.abs(error).sum())
        self._squared += float(np.square(error).sum())
        new = np.where(known, prediction, self.low), np.where(known, target, self.low), known
        pairs = zip(self._kept or tuple(a[:, :0] for a in new), new, strict=True)
        self._kept = tuple(np.concatenate(pair, axis=1) for pair in pairs)
        seen = self._first + self._kept[0].shape[1]
        ready = self.rows if seen == self.rows else max(self._done, seen - self._reach)
        self._compare(self._done, ready)
        keep = max(0, ready - self._reach)
        self._kept = tuple(array[:, keep - self._first :] for array in self._kept)
        self._first, self._done = keep, ready

    @property
    def errors(self) -> ImageErrors:
        """Of all rows, when they have come."""
        if not self._count:
            return ImageErrors(math.nan, math.nan, math.nan)
        squared = self._squared / self._count
        return ImageErrors(
            mae=self._absolute / self._count,
            psnr=10 * math.log10(self.range**2 / squared) if squared else math.inf,
            ssim=self._similar / self._count,
        )

    def _compare(self, first: int, last: int) -> None:
        """Add up the similarity around the pixels of some rows that count."""
        x, y, known = self._kept
        axes = [_blocks(first, last), *(_blocks(0, n) for n in x.shape[2:])]
        for places in itertools.product(*axes):
            inside = (places[0][0] - self._first, places[0][1] - self._first), *places[1:]
            around = self._around(places, x.shape[2:])
            for band, counts in enumerate(known[(slice(None), *(slice(*place) for place in inside))]):
                if counts.any():
                    parts = (torch.from_numpy(image[band][around].astype(np.float64)) for image in (x, y))
                    luminance, structure = self._ssim.maps(*(part[None, None] for part in parts))
                    self._similar += float((luminance * structure)[0, 0].numpy()[counts].sum())

    def _around(self, places: tuple[tuple[int, int], ...], rest: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Indices into kept rows of a block and what windows around its pixels reach into."""
        axes = [
            _mirrored(np.arange(first - self._reach, last + self._reach), n)
            for (first, last), n in zip(places, (self.rows, *rest), strict=True)
        ]
        indices: tuple[np.ndarray, ...] = np.ix_(axes[0] - self._first, *axes[1:])
        return indices


def _blocks(first: int, last: int) -> list[tuple[int, int]]:
    return [(start, min(start + _BLOCK, last)) for start in range(first, last, _BLOCK)]


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Indices beyond an axis of some length as those of what a mirror at its ends shows."""
    period = max(1, 2 * (length - 1))
    return np.asarray((length - 1) - np.abs(index % period - (length - 1)))
