"""Whether probabilities are as frequent as they say."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unetzoo.inference.contract import IGNORE

__all__ = ["BINS", "Reliability", "Tally", "reliability"]

BINS = 15
"""Of equal width, as in Guo et al. 2017."""


class Reliability(NamedTuple):
    """What became of the pixels whose probability of a class fell into each bin. Additive over cases.

    Attributes:
        pixels: (BINS,)
        confidence: Sum of the probabilities, (BINS,).
        hits: Pixels that are of the class, (BINS,).
        squares: Sum of the squared differences between probability and 0 or 1, of all bins.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray
    squares: float

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over pixels of their bin's |frequency - mean probability|.

        Of one class against the rest (Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, eq. 3, whose
        confidence is that of the predicted class). nan without pixels.
        """
        total = self.pixels.sum()
        return float(np.abs(self.hits - self.confidence).sum() / total) if total else float("nan")

    @property
    def brier(self) -> float:
        """Brier score: mean over pixels of the squared difference between probability and 0 or 1."""
        total = self.pixels.sum()
        return self.squares / float(total) if total else float("nan")


def reliability(probabilities: np.ndarray, reference: np.ndarray) -> Reliability:
    """Sort the pixels of one class by their probability.

    Args:
        probabilities: 0 to 1, of any shape; labelled pixels alone.
        reference: bool, of the same shape: the pixel is of the class.
    """
    p, hits = probabilities.ravel().astype(np.float64), reference.ravel()
    at = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    pixels, confidence, found = (
        np.bincount(at, weights=weights, minlength=BINS) for weights in (None, p, hits.astype(np.float64))
    )
    return Reliability(pixels, confidence, found, float(np.square(p - hits).sum()))


class Tally:
    """The reliability of classes of a case, from rows of probabilities that nobody keeps.

    Args:
        reference: Class indices (*size), or 0 and 1 (K, *size) if multilabel; 255: no label.
        classes: Indices of those that are tallied.
    """

    def __init__(self, reference: np.ndarray, classes: Sequence[int], *, multilabel: bool) -> None:
        self.reference, self.multilabel = reference, multilabel
        nothing = reliability(np.zeros(0), np.zeros(0, bool))
        self.found = dict.fromkeys(classes, nothing)
        self._row = 0

    def append(self, piece: np.ndarray) -> None:
        """The next rows of probabilities (K, rows, *rest), from the first to the last."""
        rows = slice(self._row, self._row + piece.shape[1])
        self._row = rows.stop
        for index, before in self.found.items():
            layer = self.reference[index, rows] if self.multilabel else self.reference[rows]
            known = layer != IGNORE
            new = reliability(piece[index][known], layer[known] == (1 if self.multilabel else index))
            self.found[index] = Reliability(
                before.pixels + new.pixels,
                before.confidence + new.confidence,
                before.hits + new.hits,
                before.squares + new.squares,
            )
