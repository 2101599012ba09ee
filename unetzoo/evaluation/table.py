"""The per-case table: one row per case and class."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unetzoo.evaluation.protocol import Protocol
from unetzoo.inference.files import replacing
from unetzoo.metrics import ClassScore, mean

__all__ = ["CaseResult", "values", "write_cases"]


@dataclass(frozen=True)
class CaseResult:
    """A case and the score of each measured class, in the protocol's order."""

    name: str
    group: str
    scores: tuple[ClassScore, ...]

    @cached_property
    def dice(self) -> float:
        """Mean over the classes that have a value, nan if none has."""
        return mean(np.array([score.dice for score in self.scores]))

    def listed(self, protocol: Protocol) -> Iterator[ClassScore]:
        """The scores that tables show: all, but for absent classes under the policy ``skip``."""
        return (item for item in self.scores if protocol.empty != "skip" or item.status != "absent")


def values(results: Sequence[CaseResult], field: str) -> np.ndarray:
    """One field of every score, float64 (cases, classes)."""
    return np.array([[getattr(score, field) for score in result.scores] for result in results], np.float64)


def write_cases(path: Path, results: Sequence[CaseResult], protocol: Protocol) -> None:
    """Write the table as CSV; numbers that do not exist are written ``nan``."""
    counts = ("tp", "fp", "fn")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "group", "class", "n_pixels", *counts, *protocol.columns.values(), "status"])
        for result in results:
            for score in result.listed(protocol):
                numbers = (f"{getattr(score, field):.6g}" for field in protocol.columns)
                writer.writerow(
                    [result.name, result.group, protocol.names[score.index], score.labelled]
                    + [getattr(score, field) for field in counts]
                    + [*numbers, score.status]
                )
