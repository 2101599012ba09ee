"""What an evaluation found, in numbers that carry their names."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unetzoo.evaluation.protocol import Protocol
from unetzoo.evaluation.table import CaseResult, values
from unetzoo.inference.files import replacing
from unetzoo.metrics import (
    EXTRAS,
    FRACTION,
    MEANS,
    OVERLAPS,
    Counts,
    Interval,
    bootstrap,
    macro,
    mean,
    overlap,
    per_image,
)

__all__ = ["ClassSummary", "Origin", "Summary", "many", "number", "plain", "summarise", "write_summary"]


@dataclass(frozen=True)
class Origin:
    """Where the numbers come from.

    Args:
        date: ISO 8601, UTC.
        trained_on: Name of the set the model was trained on, empty if it does not say.
        checkpoint: File name, empty if the model came from none.
        checkpoint_sha256: Of that file.
        weights_sha256: As the model's contract states it.
        seconds: Reading, predicting and measuring all cases.
        parameters: Of the network; None where it does not say.
        seconds_per_megapixel: Predicting alone, per million pixels or voxels.
        memory_mb: Peak of the process, or on a GPU of what torch holds there.
    """

    model: str
    data: str
    split: str
    date: str
    trained_on: str = ""
    checkpoint: str = ""
    checkpoint_sha256: str = ""
    weights_sha256: str = ""
    seconds: float = 0.0
    parameters: int | None = None
    seconds_per_megapixel: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class ClassSummary:
    """One class over all cases.

    Args:
        means: Mean over cases of each measure.
        intervals: 95 % interval of each mean.
        pooled: Overlap from the pixel counts of all cases added up.
        n_cases: Cases with a value.
        n_empty: Cases in which neither mask has the class.
        n_failed: Cases in which one of the two masks has it.
    """

    name: str
    means: dict[str, float]
    intervals: dict[str, Interval]
    pooled: dict[str, float]
    n_cases: int
    n_empty: int
    n_failed: int


@dataclass(frozen=True)
class Summary:
    """Result of an evaluation; the same as ``summary.json``.

    Args:
        means: Measure to kind of mean (``unetzoo.metrics.MEANS``) to value; ``means["dice"]["per_image"]`` is
            the mean per-case Dice that training logs as ``val/dice``. Distances have no micro mean.
        intervals: 95 % interval of the ``per_image`` mean of Dice and IoU.
        n_empty: Pairs of case and class that are in neither mask.
        n_failed: Pairs of case and class that are in one mask only.
        n_unlabelled: Pairs of case and class without a labelled pixel.
    """

    origin: Origin
    protocol: Protocol
    n_cases: int
    n_groups: int
    n_empty: int
    n_failed: int
    n_unlabelled: int
    means: dict[str, dict[str, float]]
    intervals: dict[str, Interval]
    classes: tuple[ClassSummary, ...]

    @property
    def definitions(self) -> dict[str, str]:
        """Every term in words."""
        means = {f"{name} mean": f"{text[0].upper()}{text[1:]}." for name, text in MEANS.items()}
        return {**self.protocol.definitions(self.n_groups, self.n_cases), **means}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        found = asdict(self)
        protocol = found.pop("protocol")
        for name in ("means", "intervals"):
            found[name] = self._headed(found[name])
        for item in found["classes"]:
            item["means"], item["intervals"] = self._headed(item["means"]), self._headed(item["intervals"])
        settings = {
            "empty": protocol["empty"],
            "nsd_tolerance": protocol["tolerance"],
            "unit": protocol["unit"],
            "seed": protocol["seed"],
            "flips": protocol["flips"],
            "classes": self.protocol.measured,
            "excluded": self.protocol.excluded,
        }
        values: dict[str, Any] = plain(
            {**found.pop("origin"), **settings, **found, "definitions": self.definitions}
        )
        return values

    def text(self) -> str:
        """A few lines for the terminal, the policy among them."""
        origin, protocol = self.origin, self.protocol
        kinds = list(MEANS)
        lines = [
            f"{origin.model} on {origin.data}, split {origin.split}: "
            f"{many(self.n_cases, 'case')} in {many(self.n_groups, 'group')}",
            "".ljust(14) + "".join(kind.rjust(14) for kind in kinds) + "  95 % of per_image",
        ]
        for field, heading in protocol.columns.items():
            row = "".join(number(self.means[field].get(kind, math.nan)).rjust(14) for kind in kinds)
            low, high = self.intervals.get(field, (math.nan, math.nan))
            interval = "" if math.isnan(low) else f"  {low:.4f} to {high:.4f}"
            lines.append(heading.ljust(14) + row + interval)
        lines.append(
            f"empty masks: policy {protocol.empty}, {self.n_empty} in neither mask, "
            f"{self.n_failed} in one mask only (failures: overlap 0, HD95 = image diagonal)"
        )
        if protocol.excluded:
            lines.append(f"not in any number: {', '.join(protocol.excluded)}")
        return "\n".join(lines)

    def _headed(self, measures: dict[str, Any]) -> dict[str, Any]:
        return {self.protocol.columns[field]: value for field, value in measures.items()}


def summarise(results: Sequence[CaseResult], protocol: Protocol, origin: Origin) -> Summary:
    """All means, pooled values and intervals of the cases."""
    groups = [result.group or result.name for result in results]
    statuses = np.array([[score.status for score in result.scores] for result in results])
    table = {field: values(results, field) for field in protocol.columns}
    cases = Counts(*(values(results, field) for field in Counts._fields))
    pooled = overlap(Counts(*(item.sum(0) for item in cases)), empty=protocol.empty)
    micro = overlap(Counts(*(np.asarray(item.sum()) for item in cases)), empty=protocol.empty)

    def intervals(columns: Mapping[str, np.ndarray]) -> dict[str, Interval]:
        return {
            field: bootstrap(column, groups, seed=protocol.seed, limits=_limits(field))
            for field, column in columns.items()
        }

    means = {
        field: {"per_image": mean(per_image(column)), "macro": mean(macro(column))}
        for field, column in table.items()
    }
    for field in OVERLAPS:
        means[field]["micro"] = float(getattr(micro, field))
        means[field]["macro_pooled"] = mean(getattr(pooled, field))
    classes = [
        ClassSummary(
            name=name,
            means={field: mean(column[:, k]) for field, column in table.items()},
            intervals=intervals({field: column[:, k] for field, column in table.items()}),
            pooled={field: float(getattr(pooled, field)[k]) for field in OVERLAPS},
            n_cases=int((~np.isnan(table["dice"][:, k])).sum()),
            n_empty=int((statuses[:, k] == "absent").sum()),
            n_failed=sum(result.scores[k].failed for result in results),
        )
        for k, name in enumerate(protocol.measured)
    ]
    return Summary(
        origin=origin,
        protocol=protocol,
        n_cases=len(results),
        n_groups=len(set(groups)),
        n_empty=int((statuses == "absent").sum()),
        n_failed=sum(item.n_failed for item in classes),
        n_unlabelled=int((statuses == "unlabelled").sum()),
        means=means,
        intervals=intervals({field: per_image(column) for field, column in table.items()}),
        classes=tuple(classes),
    )


def _limits(field: str) -> tuple[float, float]:
    distance = EXTRAS[field].distance if field in EXTRAS else field == "hd95"
    return (0.0, math.inf) if distance else FRACTION


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Write ``summary.json`` from plain values."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Tuples to lists and nan, which JSON does not have, to None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Interval):
        return {"low": plain(value.low), "high": plain(value.high)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: float) -> str:
    """Four digits, or a dash for nan."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def many(count: int, noun: str) -> str:
    """``1 case`` or ``3 cases``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
