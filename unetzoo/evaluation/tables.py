"""Evaluations as they lie on disk: ``cases.csv`` and ``summary.json`` of several runs, on the same cases."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Evaluation", "read_evaluation", "require_same_cases"]

_COUNTS = ("case", "group", "class", "n_pixels", "tp", "fp", "fn", "status")
_IMAGE = "image"
"""Stands for the class where images are predicted."""


@dataclass(frozen=True)
class Evaluation:
    """What ``unetzoo eval`` wrote of a run.

    Args:
        name: What to call the run.
        cases: Their names, in the table's order.
        groups: Of each case.
        rows: (case, class) to the row of the table.
    """

    name: str
    folder: Path
    summary: dict[str, Any]
    cases: list[str]
    groups: list[str]
    rows: dict[tuple[str, str], dict[str, str]]

    @property
    def classes(self) -> list[str]:
        """Names of the measured classes, one where images are predicted."""
        return list(self.summary["classes_measured"])

    @property
    def of_images(self) -> bool:
        """Whether images are predicted in place of classes."""
        return "classes" not in self.summary

    def column(self, metric: str | None) -> str:
        """The table's heading of a measure, which may carry a unit or a tolerance; of None the first one.

        Raises:
            ValueError: If the table has no such measure.
        """
        headings = [h for h in next(iter(self.rows.values())) if h not in _COUNTS]
        if metric is None:
            return headings[0]
        for heading in headings:
            if metric in (heading, self.field(heading)):
                return heading
        more = "" if self.of_images else ", and `unetzoo eval metrics=[...]` measures more"
        raise ValueError(
            f"metric={metric} is not in {self.folder / 'cases.csv'}; it has {', '.join(headings)}{more}"
        )

    def field(self, heading: str) -> str:
        """The measure of a heading, without unit and tolerance: ``hd95_mm``, ``nsd@2mm`` and ``mae_HU``."""
        return heading.partition("@")[0].removesuffix(f"_{self.summary['unit']}")

    def values(self, heading: str) -> np.ndarray:
        """A column, (cases, classes) float64, nan where there is no value."""
        table = [[self.rows.get((case, name)) for name in self.classes] for case in self.cases]
        return np.array([[float(row[heading]) if row else np.nan for row in rows] for rows in table])


def read_evaluation(path: Path, split: str, name: str) -> Evaluation:
    """Read the evaluation of a run.

    Args:
        path: A folder that ``unetzoo eval`` wrote, or the run's folder.
        split: Of the run.

    Raises:
        FileNotFoundError: If the run has not been evaluated on the split.
    """
    folder = next((f for f in (path, path / "eval" / split) if (f / "cases.csv").is_file()), None)
    if folder is None or not (folder / "summary.json").is_file():
        raise FileNotFoundError(
            f"{path}: has no evaluation of the split {split}; run `unetzoo eval ckpt=... split={split}` first"
        )
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    classes = [item["name"] for item in summary["classes"]] if "classes" in summary else None
    needed = {"case", "group"} if classes is None else {"case", "group", "class", "tp"}
    if not table or not needed <= table[0].keys():
        raise ValueError(f"{folder / 'cases.csv'}: is no table of cases; evaluate the run again")
    summary["classes_measured"] = [_IMAGE] if classes is None else classes
    groups = {row["case"]: row["group"] or row["case"] for row in table}
    rows = {(row["case"], row.get("class", _IMAGE)): row for row in table}
    return Evaluation(name, folder, summary, [*groups], [*groups.values()], rows)


def require_same_cases(runs: Sequence[Evaluation]) -> None:
    """Refuse to compare what was not measured on the same cases in the same way.

    Raises:
        ValueError: If data, split, classes, policy, unit, range, cases, groups or reference masks differ.
    """
    first = runs[0]
    for run in runs[1:]:
        for what in ("data", "split", "classes_measured", "empty", "unit", "value_range"):
            found, wanted = run.summary.get(what), first.summary.get(what)
            if found != wanted:
                raise ValueError(
                    f"{run.name} was evaluated with {what} {found} and {first.name} with {wanted}; evaluate "
                    "both on the same cases in the same way"
                )
        other = set(run.cases) ^ set(first.cases)
        if other:
            raise ValueError(
                f"{run.name} and {first.name} were evaluated on different cases, {len(other)} are in one "
                f"table only, such as {min(other)}; evaluate both on the same split"
            )
        if dict(zip(run.cases, run.groups, strict=True)) != dict(zip(first.cases, first.groups, strict=True)):
            raise ValueError(f"{run.name} and {first.name} group their cases differently; evaluate both anew")
        for key in (key for key in run.rows if key in first.rows and not first.of_images):
            a, b = (int(rows[key]["tp"]) + int(rows[key]["fn"]) for rows in (run.rows, first.rows))
            if a != b:
                raise ValueError(
                    f"the reference of case {key[0]} has {a} pixels of {key[1]} in {run.name} and {b} in "
                    f"{first.name}; evaluate both on the same masks"
                )
