"""The per-case table: one row per case and class."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unetzoo.evaluation.protocol import Protocol
from unetzoo.inference.files import replacing
from unetzoo.metrics import ClassScore, mean

__all__ = ["CaseResult", "require_arrow", "values", "write_cases", "write_parquet"]


@dataclass(frozen=True)
class CaseResult:
    """A case and the score of each measured class, in the protocol's order.

    Args:
        confusion: Pixels by true and predicted class, (K, K + 1), where classes exclude each other.
    """

    name: str
    group: str
    scores: tuple[ClassScore, ...]
    confusion: np.ndarray | None = field(default=None, compare=False)

    @cached_property
    def dice(self) -> float:
        """Mean over the classes that have a value, nan if none has."""
        return mean(np.array([score.dice for score in self.scores]))

    @property
    def quality(self) -> float:
        """What cases are ranked by."""
        return self.dice

    def listed(self, protocol: Protocol) -> Iterator[ClassScore]:
        """The scores that tables show: all, but for absent classes under the policy ``skip``."""
        return (item for item in self.scores if protocol.empty != "skip" or item.status != "absent")


def values(results: Sequence[CaseResult], field: str) -> np.ndarray:
    """One field of every score, float64 (cases, classes)."""
    return np.array([[score[field] for score in result.scores] for result in results], np.float64)


def write_cases(path: Path, results: Sequence[CaseResult], protocol: Protocol) -> None:
    """Write the table as CSV; numbers that do not exist are written ``nan``."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _headings(protocol))
        writer.writeheader()
        for row in _rows(results, protocol):
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def write_parquet(path: Path, results: Sequence[CaseResult], protocol: Protocol) -> None:
    """The same table as parquet, in full precision.

    Raises:
        ImportError: Without pyarrow.
    """
    arrow = require_arrow()
    table = arrow.Table.from_pylist(list(_rows(results, protocol)))
    with replacing(path) as temporary:
        import pyarrow.parquet

        pyarrow.parquet.write_table(table.select(_headings(protocol)), temporary)


def require_arrow() -> Any:
    """The module pyarrow, or an error that names the extra."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("parquet=true needs pyarrow; pip install 'unetzoo[parquet]'") from error
    return pyarrow


def _headings(protocol: Protocol) -> list[str]:
    return ["case", "group", "class", "n_pixels", "tp", "fp", "fn", *protocol.columns.values(), "status"]


def _rows(results: Sequence[CaseResult], protocol: Protocol) -> Iterator[dict[str, str | int | float]]:
    for result in results:
        for score in result.listed(protocol):
            yield {
                "case": result.name,
                "group": result.group,
                "class": protocol.names[score.index],
                "n_pixels": score.labelled,
                **{name: int(score[name]) for name in ("tp", "fp", "fn")},
                **{heading: float(score[name]) for name, heading in protocol.columns.items()},
                "status": score.status,
            }
