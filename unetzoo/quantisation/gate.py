"""What a network in fewer bits loses on val, against a limit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unetzoo.evaluation.evaluate import Cases, Predicts, cases_of
from unetzoo.metrics import Interval, bootstrap, count, foreground, mean, overlap, per_image

__all__ = ["DROP", "Gate", "GateFailed", "Verdict"]

DROP = 0.01
"""Mean Dice that may be lost, 0..1."""


class GateFailed(Exception):
    """Fewer bits cost more Dice than allowed; says so in one sentence."""


class Verdict(NamedTuple):
    """Mean Dice over the cases before and after, and the 95 % interval of before - after."""

    before: float
    after: float
    drop: Interval
    cases: int

    def text(self) -> str:
        """For the terminal."""
        low, high = self.drop
        interval = "" if np.isnan(low) else f", 95 % {low:.4f} to {high:.4f}"
        return (
            f"Dice {self.before:.4f} before, {self.after:.4f} after on val ({self.cases} cases): "
            f"drop {self.before - self.after:.4f}{interval}"
        )


class Gate:
    """Compares predictors with a first one, case by case.

    A case's Dice is the mean over its classes, but for the background and for classes that neither its mask
    nor a prediction has; one that a single prediction invents scores 0 there and 1 in the other. The interval
    is the cluster bootstrap of the cases' differences.

    Args:
        before: The network in float32.
        data: The set it was trained on.
        split: Where to compare; never what is reported as a result.

    Raises:
        ValueError: If the split has no case with a Dice.
    """

    def __init__(self, before: Predicts, data: Cases, *, split: str = "val") -> None:
        self.data, self.cases = data, [case for case in cases_of(data, split) if case.mask is not None]
        self.before = self._dice([before])[0]
        if np.isnan(self.before).all():
            raise ValueError(
                f"no case of split '{split}' has a mask with a class to measure, so the loss of fewer bits "
                "cannot be told; export in float32"
            )

    def judge(self, *after: Predicts) -> Verdict:
        """The worst of several predictors of one file, such as those of two back ends."""
        found = [self._verdict(dice) for dice in self._dice(after)]
        # nan, the Dice of numbers that are none, is worst of all
        return min(found, key=lambda verdict: np.nan_to_num(verdict.after, nan=-1.0))

    def _verdict(self, after: np.ndarray) -> Verdict:
        alone = np.isnan(self.before) != np.isnan(after)
        old, new = (per_image(np.where(alone & np.isnan(dice), 1.0, dice)) for dice in (self.before, after))
        groups = [case.group or case.name for case in self.cases]
        return Verdict(
            mean(old), mean(new), bootstrap(old - new, groups, seed=0), int((~np.isnan(old)).sum())
        )

    def _dice(self, predictors: Sequence[Predicts]) -> list[np.ndarray]:
        """(cases, classes) of each predictor; every case is read once."""
        rows = list[list[np.ndarray]]()
        for case in self.cases:
            sample = self.data.read(case)
            rows.append([_scores(predictor, sample) for predictor in predictors])
        return [np.array(column) for column in zip(*rows, strict=True)]


def _scores(predictor: Predicts, sample: Any) -> np.ndarray:
    data = predictor.contract.data
    counts = count(predictor.labels(sample.image), sample.mask, len(data.classes), multilabel=data.multilabel)
    classes = foreground(data, activation=predictor.contract.activation)
    return overlap(counts, empty="nan").dice[list(classes)]
