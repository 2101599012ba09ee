"""Times of several forms of one thing."""

import time
from collections.abc import Callable, Mapping
from statistics import median, quantiles
from typing import Any, NamedTuple

__all__ = ["Time", "interleaved"]


class Time(NamedTuple):
    """Seconds: the median of the rounds, and half the distance between their quartiles."""

    median: float
    spread: float

    def __str__(self) -> str:
        return f"{1e3 * self.median:.2f} ±{self.spread / self.median:.0%}"


def interleaved(
    runs: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    calls: int = 1,
) -> dict[str, Time]:
    """Times of all runs, which take turns, so that what else the machine does meets all alike.

    Args:
        runs: What to measure, by name; called once before, to warm up. What returns a float has measured a
            part of itself, in seconds.
        rounds: At least 2.
        clock: Gives seconds.
        calls: Of a run in each of its turns. Where there are several, the first is not measured: it finds
            what the run before left in the caches.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            for call in range(calls):
                start = clock()
                own = run()
                if round_ and (call or calls == 1):
                    times[name].append(own if isinstance(own, float) else clock() - start)
    return {name: _summary(values) for name, values in times.items()}


def _summary(values: list[float]) -> Time:
    first, _, third = quantiles(values, n=4, method="inclusive")
    return Time(median(values), (third - first) / 2)
