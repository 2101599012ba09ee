"""The worst and the best cases of a split, with their pictures, in memory that does not grow with it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from unetzoo.evaluation.overlays import Overlays
from unetzoo.evaluation.table import CaseResult

__all__ = ["Extremes", "Gallery", "extremes"]


class Extremes(NamedTuple):
    """Cases with the lowest Dice, lowest first, and of the others those with the highest, highest first."""

    worst: list[CaseResult]
    best: list[CaseResult]


def extremes(results: Sequence[CaseResult], count: int) -> Extremes:
    """At most ``count`` worst and ``count`` best cases that have a value, none of them twice."""
    ranked = sorted((item for item in results if not np.isnan(item.dice)), key=lambda item: item.dice)
    worst = ranked[: min(count, (len(ranked) + 1) // 2)]
    return Extremes(worst, ranked[len(worst) :][::-1][:count])


class Gallery:
    """Keeps a case's pictures for as long as the case is among the worst or the best seen.

    Args:
        count: How many of each.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self.pictures: dict[str, Overlays] = {}
        self._kept: list[CaseResult] = []

    def offer(self, result: CaseResult, draw: Callable[[], Overlays]) -> None:
        """Consider a case; ``draw`` is called only if it is kept."""
        worst, best = extremes([*self._kept, result], self.count)
        names = {item.name for item in (*worst, *best)}
        self._kept = [item for item in (*self._kept, result) if item.name in names]
        self.pictures = {name: item for name, item in self.pictures.items() if name in names}
        if result.name in names:
            self.pictures[result.name] = draw()

    @property
    def extremes(self) -> Extremes:
        """Of all cases offered so far."""
        return extremes(self._kept, self.count)
