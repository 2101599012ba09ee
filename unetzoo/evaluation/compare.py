"""Runs against each other, case by case."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from unetzoo.evaluation.charts import scatter
from unetzoo.evaluation.page import write_page
from unetzoo.evaluation.summary import number, plain, write_summary
from unetzoo.evaluation.tables import Evaluation, require_same_cases
from unetzoo.inference.jobs import make_folder
from unetzoo.metrics import DRAWS, EXTRAS, FRACTION, Interval, bootstrap, macro, mean, per_image
from unetzoo.metrics.testing import holm, signed_rank

__all__ = ["COSTS", "Comparison", "Pair", "Standing", "compare", "pareto_front", "write_comparison"]

COSTS = {
    "parameters": ("millions of parameters", 1e-6),
    "seconds_per_megapixel": ("seconds per million pixels", 1.0),
    "memory_mb": ("peak memory, MB", 1.0),
}
"""What a run may cost, as ``summary.json`` names it: label, and factor to the label's unit."""
IMAGE_LIMITS = {"psnr": (-math.inf, math.inf), "ssim": (-1.0, 1.0)}
"""Between which values measures of predicted images lie that are no fractions."""


@dataclass(frozen=True)
class Standing:
    """A run by itself.

    Args:
        mean: Over cases of the case's mean over classes.
        classes: Mean over cases of each class; empty where images are predicted.
        costs: Those of ``COSTS`` that are known.
    """

    name: str
    model: str
    folder: str
    mean: float
    interval: Interval
    classes: dict[str, float]
    costs: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Two runs on the same cases.

    Args:
        difference: Mean over cases of ``b - a``, of a case over the classes that both have a value of.
        interval: 95 % of that, whole groups drawn.
        p: Wilcoxon's signed-rank test of the groups' differences, two-sided.
        p_holm: After Holm's correction for all pairs.
        n_cases: Cases that take part.
        n_unpaired: Pairs of case and class that have a value in one of the runs only, and no part.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    p: float
    p_holm: float
    n_cases: int
    n_unpaired: int


@dataclass(frozen=True)
class Comparison:
    """The same as ``comparison.json``.

    Args:
        empty: The policy for empty masks; "" where images are predicted.
    """

    data: str
    split: str
    metric: str
    lower_is_better: bool
    empty: str
    n_cases: int
    n_groups: int
    seed: int
    runs: tuple[Standing, ...]
    pairs: tuple[Pair, ...]

    @property
    def definitions(self) -> dict[str, str]:
        """Every term in words."""
        groups = f"{self.n_groups} groups" if self.n_groups != self.n_cases else f"{self.n_cases} cases"
        of_classes = {
            "Mean": "Over cases, of the case's mean over classes.",
            "Difference": "Mean over cases of the second run less the first, of classes that have a value in "
            "both; a class that one of the two alone has no value of is counted as unpaired.",
        }
        of_images = {
            "Mean": "Over cases, of the pixels whose target counts.",
            "Difference": "Mean over cases of the second run less the first.",
        }
        return {
            **(of_classes if self.empty else of_images),
            "Interval": f"95 % studentised bootstrap: {DRAWS} draws of {groups}, seed {self.seed}.",
            "p": "Wilcoxon signed-rank test, two-sided, of the differences"
            + (" of the groups' means." if self.n_groups != self.n_cases else " of the cases."),
            "p (Holm)": f"Corrected for {len(self.pairs)} comparison(s): chance of any false find.",
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; numbers that do not exist are None."""
        runs = [vars(run) for run in self.runs]
        pairs = [vars(pair) for pair in self.pairs]
        found: dict[str, Any] = plain(
            {**vars(self), "runs": runs, "pairs": pairs, "definitions": self.definitions}
        )
        return found

    def text(self) -> str:
        """Both tables for the terminal."""
        width = max(len(run.name) for run in self.runs) + 2
        lines = [
            f"{self.metric} on {self.data}, split {self.split}: {self.n_cases} cases, {self.n_groups} groups"
        ]
        lines.append("run".ljust(width) + "mean".rjust(9) + "  95 %")
        for run in self.runs:
            lines.append(run.name.ljust(width) + number(run.mean).rjust(9) + f"  {_range(run.interval)}")
        double = 2 * width + 1
        lines.append(
            "pair".ljust(double) + "b - a".rjust(9) + "  95 %".ljust(22) + "p".rjust(9) + "p (Holm)".rjust(10)
        )
        for pair in self.pairs:
            lines.append(
                f"{pair.a} : {pair.b}".ljust(double)
                + f"{pair.difference:+.4f}".rjust(9)
                + f"  {_range(pair.interval)}".ljust(22)
                + f"{pair.p:.4f}".rjust(9)
                + f"{pair.p_holm:.4f}".rjust(10)
            )
        left = max((pair.n_unpaired for pair in self.pairs), default=0)
        if left:
            lines.append(
                f"up to {left} values have no partner (policy {self.empty}: a class in neither mask); "
                "evaluate with empty=one to count them"
            )
        return "\n".join(lines)


def compare(runs: Sequence[Evaluation], *, metric: str | None = None, seed: int = 0) -> Comparison:
    """Compare runs that were evaluated on the same cases.

    Args:
        metric: A measure of the tables; None is Dice, or of predicted images the mean absolute error.
        seed: Of the bootstrap.

    Raises:
        ValueError: If the tables are not of the same cases, or lack the measure.
    """
    if len(runs) < 2:
        raise ValueError(f"{len(runs)} run(s) cannot be compared; give two or more")
    require_same_cases(runs)
    first = runs[0]
    order = {case: i for i, case in enumerate(first.cases)}
    headings = {run.column(metric): run.name for run in runs}
    if len(headings) > 1:
        found = ", ".join(f"{name} has {heading}" for heading, name in headings.items())
        raise ValueError(
            f"{metric} was measured in two ways: {found}; evaluate all runs with one nsd_tolerance"
        )
    heading = first.column(metric)
    tables = [run.values(heading)[np.argsort([order[case] for case in run.cases])] for run in runs]
    field = first.field(heading)
    distance = EXTRAS[field].distance if field in EXTRAS else field in ("hd95", "mae")
    limits = (0.0, math.inf) if distance else IMAGE_LIMITS.get(field, FRACTION)
    standings = [
        Standing(
            run.name,
            run.summary["model"],
            str(run.folder),
            mean(per_image(table)),
            bootstrap(per_image(table), first.groups, seed=seed, limits=limits),
            {} if run.of_images else dict(zip(run.classes, macro(table).tolist(), strict=True)),
            {key: run.summary[key] * factor for key, (_, factor) in COSTS.items() if run.summary.get(key)},
        )
        for run, table in zip(runs, tables, strict=True)
    ]
    pairs = []
    for a, b in combinations(range(len(runs)), 2):
        gain = per_image(tables[b] - tables[a])
        pairs.append(
            Pair(
                runs[a].name,
                runs[b].name,
                mean(gain),
                bootstrap(gain, first.groups, seed=seed),
                signed_rank(gain, first.groups),
                math.nan,
                int((~np.isnan(gain)).sum()),
                int((np.isnan(tables[a]) != np.isnan(tables[b])).sum()),
            )
        )
    corrected = holm([pair.p for pair in pairs])
    return Comparison(
        data=first.summary["data"],
        split=first.summary["split"],
        metric=heading,
        lower_is_better=distance or field in ("ece", "brier"),
        empty=first.summary.get("empty", ""),
        n_cases=len(first.cases),
        n_groups=len(set(first.groups)),
        seed=seed,
        runs=tuple(standings),
        pairs=tuple(Pair(**{**vars(pair), "p_holm": p}) for pair, p in zip(pairs, corrected, strict=True)),
    )


def pareto_front(points: Sequence[tuple[float, float]], *, lower_is_better: bool = False) -> list[int]:
    """Indices of the points (cost, quality) that no other is both cheaper than and as good as."""
    sign = -1 if lower_is_better else 1
    ranked = sorted(range(len(points)), key=lambda i: (points[i][0], -sign * points[i][1]))
    front, best = [], -math.inf
    for i in ranked:
        if sign * points[i][1] > best:
            front.append(i)
            best = sign * points[i][1]
    return front


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write ``comparison.json`` and ``comparison.html``, one file that opens offline."""
    make_folder(folder)
    write_summary(folder / "comparison.json", comparison.to_dict())
    values = {"comparison": comparison, "charts": _charts(comparison), "costs": COSTS}
    write_page(folder / "comparison.html", "comparison", **values)


def _charts(comparison: Comparison) -> list[tuple[str, str]]:
    """A title and an SVG for each cost that two runs or more know."""
    charts = []
    for key, (label, _) in COSTS.items():
        known = [run for run in comparison.runs if key in run.costs and not math.isnan(run.mean)]
        if len(known) > 1:
            points = {run.name: (run.costs[key], run.mean) for run in known}
            front = pareto_front([*points.values()], lower_is_better=comparison.lower_is_better)
            chart = scatter(points, [known[i].name for i in front], x_label=label)
            charts.append((f"{comparison.metric} against {label}", chart))
    return charts


def _range(interval: Interval) -> str:
    return "-" if math.isnan(interval.low) else f"{interval.low:.4f} to {interval.high:.4f}"
