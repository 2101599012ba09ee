"""Means over cases and classes, each under its own name, and how sure one can be of them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["DRAWS", "FRACTION", "MEANS", "Interval", "bootstrap", "macro", "mean", "per_image"]

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


NO_INTERVAL = Interval(float("nan"), float("nan"))
FRACTION = (0.0, 1.0)
"""Limits of overlaps and other fractions."""


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
    values: np.ndarray,
    groups: Sequence[str],
    *,
    seed: int,
    draws: int = DRAWS,
    level: float = 0.95,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Studentised cluster bootstrap interval of the mean of per-case values (cases,).

    Whole groups (patients, scenes) are drawn with replacement, since cases of one group are not independent.
    Each draw's distance from the mean is measured in its own standard error (bootstrap-t, after
    Davison & Hinkley 1997, "Bootstrap Methods and their Application"): percentiles and BCa are too narrow
    where groups are few and scores skewed, which this is not. Values that are nan have no part. Fewer than
    two groups give no interval, and with two or three it is all that ``limits`` allow.

    Args:
        groups: The group of each case.
        seed: Same seed, same interval.
        level: Fraction of intervals that hold the truth.
        limits: Smallest and largest possible value.
    """
    kept = ~np.isnan(values)
    names, index = np.unique(np.asarray(groups, dtype=str)[kept], return_inverse=True)
    if len(names) < 2:
        return NO_INTERVAL
    sums = np.bincount(index, weights=values[kept], minlength=len(names))
    sizes = np.bincount(index, minlength=len(names))
    times = _times(len(names), draws, seed)
    centre = sums.sum() / sizes.sum()
    means = (times @ sums) / (times @ sizes)
    # squared residuals of the groups' sums, drawn times @ (sums - mean * sizes)^2, multiplied out
    squares = times @ sums**2 - 2 * means * (times @ (sums * sizes)) + means**2 * (times @ sizes**2)
    error = np.sqrt(np.sum((sums - centre * sizes) ** 2)) / sizes.sum()
    if error <= 1e-12 * max(1.0, abs(centre)):  # every group has the same mean
        return Interval(float(centre), float(centre))
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.sqrt(np.maximum(squares, 0)) / (times @ sizes)
        # a draw of one group alone knows nothing of its error: it is infinitely far on its side
        alone = errors <= 1e-6 * error
        t = np.where(alone, np.copysign(np.inf, means - centre), (means - centre) / errors)
    ends = np.quantile(t, [(1 + level) / 2, (1 - level) / 2], method="inverted_cdf")
    low, high = np.clip(centre - ends * error, *limits)
    return Interval(float(low), float(high)) if np.isfinite([low, high]).all() else NO_INTERVAL


@lru_cache(maxsize=4)
def _times(groups: int, draws: int, seed: int) -> np.ndarray:
    """How often each group is in each draw, (draws, groups): multinomial, so no draw has to be listed."""
    random = np.random.default_rng(seed)
    return random.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)
