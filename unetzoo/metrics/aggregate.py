"""Means over cases and classes, each under its own name, and how sure one can be of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["DRAWS", "MEANS", "Interval", "bootstrap", "macro", "mean", "per_image"]

MEANS: dict[str, str] = {
    "per_image": "mean over cases of the case's mean over classes",
    "macro": "mean over classes of the class's mean over cases",
    "micro": "from the pixel counts of all cases and classes added up",
    "macro_pooled": "mean over classes of the class's value from the pixel counts of all cases added up",
}


DRAWS = 2000
"""Bootstrap draws: enough that the ends of an interval vary by a few percent of its width between seeds."""


class Interval(NamedTuple):
    """A confidence interval; nan where there is too little data for one."""

    low: float
    high: float


def mean(values: np.ndarray) -> float:
    """Mean of the values that are not nan, nan if none is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def per_image(values: np.ndarray) -> np.ndarray:
    """(cases, classes) to (cases,): each case's mean over its classes that have a value."""
    return np.array([mean(row) for row in values])


def macro(values: np.ndarray) -> np.ndarray:
    """(cases, classes) to (classes,): each class's mean over the cases that have a value."""
    return np.array([mean(column) for column in values.T])


def bootstrap(
    values: np.ndarray, groups: Sequence[str], *, seed: int, draws: int = DRAWS, level: float = 0.95
) -> Interval:
    """Percentile bootstrap interval of the mean of per-case values (cases,).

    Whole groups (patients, scenes) are drawn with replacement, since cases of one group are not independent
    (cluster bootstrap). Values that are nan have no part. Fewer than two groups give no interval.

    Args:
        groups: The group of each case.
        seed: Same seed, same interval.
        level: Fraction of draws inside the interval.
    """
    kept = ~np.isnan(values)
    names, index = np.unique(np.asarray(groups, dtype=str)[kept], return_inverse=True)
    if len(names) < 2:
        return Interval(float("nan"), float("nan"))
    sums = np.bincount(index, weights=values[kept], minlength=len(names))
    sizes = np.bincount(index, minlength=len(names))
    # how often each group is drawn is multinomial, so no draw has to be listed
    times = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=draws
    )
    means = (times @ sums) / (times @ sizes)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
