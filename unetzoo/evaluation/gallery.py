"""The worst and the best cases of a split, with their pictures, in memory that does not grow with it."""

from collections.abc import Callable, Container, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from unetzoo.evaluation.pictures import Panels

__all__ = ["Extremes", "Gallery", "extremes", "middle"]


class Ranked(Protocol):
    """The result of a case."""

    @property
    def name(self) -> str:
        """Of the case."""

    @property
    def quality(self) -> float:
        """What cases are ranked by, more is better; nan if the case has no say."""


Result = TypeVar("Result", bound=Ranked)


class Extremes(NamedTuple, Generic[Result]):
    """Cases of the lowest quality, lowest first, and of the others those of the highest, highest first."""

    worst: list[Result]
    best: list[Result]


def extremes(results: Sequence[Result], count: int) -> Extremes[Result]:
    """At most ``count`` worst and ``count`` best cases that have a value, none of them twice."""
    ranked = _ranked(results)
    worst = ranked[: min(count, (len(ranked) + 1) // 2)]
    return Extremes(worst, ranked[len(worst) :][::-1][:count])


def middle(results: Sequence[Result], count: int, taken: Container[str]) -> list[Result]:
    """At most ``count`` cases around the median of those that have a value, less those that are taken."""
    ranked = _ranked(results)
    start = max(0, (len(ranked) - count) // 2)
    return [item for item in ranked[start : start + count] if item.name not in taken]


def _ranked(results: Sequence[Result]) -> list[Result]:
    known = (item for item in results if not np.isnan(item.quality))
    return sorted(known, key=lambda item: item.quality)


class Gallery(Generic[Result]):
    """Keeps a case's pictures for as long as the case is among the worst or the best seen.

    Args:
        count: How many of each.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self.pictures: dict[str, tuple[Panels, ...]] = {}
        self.middle: list[Result] = []
        self._kept: list[Result] = []

    def offer(self, result: Result, draw: Callable[[], tuple[Panels, ...]]) -> None:
        """Consider a case; ``draw`` is called only if it is kept."""
        worst, best = extremes([*self._kept, result], self.count)
        names = {item.name for item in (*worst, *best)}
        self._kept = [item for item in (*self._kept, result) if item.name in names]
        self.pictures = {name: item for name, item in self.pictures.items() if name in names}
        if result.name in names:
            self.pictures[result.name] = draw()

    def join(self, others: Sequence["Gallery[Result]"], order: Sequence[str]) -> None:
        """Take in what the galleries of other processes hold.

        Args:
            order: Names of all cases, as one process would have been offered them.
        """
        kept, pictures = {item.name: item for item in self._kept}, dict(self.pictures)
        for other in others:
            kept |= {item.name: item for item in other._kept}
            pictures |= other.pictures
        self._kept = []
        for name in (name for name in order if name in kept):
            self.offer(kept[name], lambda name=name: pictures[name])  # type: ignore[misc]

    def add_middle(self, result: Result, pictures: tuple[Panels, ...]) -> None:
        """Show a case of neither end."""
        self.middle.append(result)
        self.pictures[result.name] = pictures

    @property
    def extremes(self) -> Extremes[Result]:
        """Of all cases offered so far."""
        return extremes(self._kept, self.count)
