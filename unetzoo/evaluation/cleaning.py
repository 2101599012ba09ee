"""Which cleaning of label maps is of use: tried on val, class by class."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import ndimage

from unetzoo.inference.cleaning import Cleaning
from unetzoo.inference.contract import IGNORE
from unetzoo.metrics import components

__all__ = ["GAIN", "SIZES", "CleaningChoice"]

SIZES = (0, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Smallest parts in pixels that are tried, beside the largest part alone."""
GAIN = 0.001
"""Of mean Dice that a cleaning must bring; less is noise."""


class CleaningChoice:
    """Takes the label maps of val one by one, and knows the best cleaning of each class in the end.

    Args:
        classes: Indices of the measured classes. Class 0 of a map without layers is what is dropped to.
        layers: Label maps are (K, *size) of 0 and 1.
    """

    def __init__(self, classes: Sequence[int], *, layers: bool) -> None:
        self.classes = [index for index in classes if layers or index > 0]
        self.layers = layers
        # simplest first, so that of equals it is taken
        self.tried = [*product((False, True), (False,), SIZES), (False, True, 0), (True, True, 0)]
        self.scores: dict[int, list[list[float]]] = {index: [] for index in self.classes}

    def add(self, labels: np.ndarray, reference: np.ndarray) -> None:
        """A case: uint8 (1, *size) or (K, *size), and its reference, 255 where there is no label."""
        for index in self.classes:
            layer = index if self.layers else 0
            one, true = labels[layer], reference[layer]
            value = 1 if self.layers else index
            mask, wanted, known = one == value, true == value, true != IGNORE
            filled = ndimage.binary_fill_holes(mask) & (mask | (one == 0))
            plain, full = (_parts(m, wanted, known) for m in (mask, filled))
            self.scores[index].append(
                [
                    _dice(full if fill else plain, int(wanted.sum()), largest=largest, smallest=smallest)
                    for fill, largest, smallest in self.tried
                ]
            )

    def best(self) -> dict[Cleaning, tuple[float, float]]:
        """The cleanings that are of use, with mean Dice over the cases before and after.

        A case that neither has nor is given the class counts as 1 here: dropping a false alarm is a gain.
        """
        found = {}
        for index, table in self.scores.items():
            means = np.mean(table, axis=0)
            best = int(means.argmax())
            if means[best] >= means[0] + GAIN:
                fill, largest, smallest = self.tried[best]
                cleaning = Cleaning(index, largest=largest, smallest=smallest, fill=fill)
                found[cleaning] = (float(means[0]), float(means[best]))
        return found


def _parts(mask: np.ndarray, wanted: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each part, the background first: its pixels, those with a label, and those that are right."""
    parts = components(mask).ravel()
    count = int(parts.max(initial=0)) + 1
    weights = (None, known.ravel(), (wanted & mask).ravel())
    sizes = [np.bincount(parts, weights=w, minlength=count) for w in weights]
    for size in sizes:
        size[0] = 0
    return tuple(sizes)


def _dice(parts: tuple[np.ndarray, ...], wanted: int, *, largest: bool, smallest: int) -> float:
    """Of the parts that are kept."""
    pixels, labelled, right = parts
    keep = pixels >= max(smallest, 1)
    if largest:
        keep &= np.arange(len(pixels)) == pixels.argmax()
    found = labelled[keep].sum()
    return float(2 * right[keep].sum() / (found + wanted)) if found + wanted else 1.0
