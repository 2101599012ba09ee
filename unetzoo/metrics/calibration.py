"""Whether probabilities are as frequent as they say."""

from typing import NamedTuple

import numpy as np

__all__ = ["BINS", "Reliability", "reliability"]

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
