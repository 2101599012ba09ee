"""The number that chooses checkpoints: mean Dice over the foreground classes of a case."""

import numpy as np

from unetzoo.inference.contract import DataSpec
from unetzoo.metrics import Counts, count, foreground, mean, overlap

__all__ = ["CaseDice", "case_dice"]


class CaseDice:
    """`case_dice` of a case that comes in parts, the same whatever the parts are, since pixels are counted.

    Args:
        data: Says what the classes are and whether they overlap.
    """

    def __init__(self, data: DataSpec) -> None:
        self.data = data
        self.binary = False
        self.counts = Counts(*np.zeros((4, len(data.classes)), np.int64))

    def add(self, logits: np.ndarray, reference: np.ndarray) -> None:
        """The next part; arguments as of `case_dice`."""
        multilabel = self.data.multilabel
        self.binary = not multilabel and len(logits) == 1
        if multilabel:
            prediction = (logits > 0).astype(np.uint8)
        else:
            prediction = (logits[0] > 0).astype(np.uint8) if self.binary else logits.argmax(0)
        found = count(prediction, reference, len(self.data.classes), multilabel=multilabel)
        self.counts = Counts(*(a + b for a, b in zip(self.counts, found, strict=True)))

    @property
    def values(self) -> tuple[float]:
        """Of what was added so far."""
        classes = foreground(self.data, activation="sigmoid" if self.binary else "softmax")
        return (mean(overlap(self.counts).dice[list(classes)]),)


def case_dice(logits: np.ndarray, reference: np.ndarray, data: DataSpec) -> float:
    """Mean Dice over the foreground classes of one case, NaN if neither it nor its prediction has any.

    Args:
        logits: (K, *size), or (1, *size) of a binary head.
        reference: Class indices (*size), or 0 and 1 as (K, *size) if multilabel; 255 takes no part.
        data: Says what the classes are and whether they overlap.
    """
    dice = CaseDice(data)
    dice.add(logits, reference)
    return dice.values[0]
