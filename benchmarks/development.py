"""Each named experiment with several seeds, measured once on test: a table per set, with intervals.

    python -m benchmarks.development chase_db1 hippocampus_msd --data <folder with the sets> --seeds 0 1 2

One thread, float32. val chooses the checkpoint of each run. The seeds are combined case by case: a case's
score is its mean over the seeds that give it one, and the 95 % interval is unetzoo's studentised bootstrap of
the mean of these scores over cases, drawing whole groups (patients, scenes). It tells how far other cases
would move the mean of these runs, not how far other seeds would; each seed's mean stands beside it.
"""

import argparse
import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import torch
from benchmarks.runs import measured

from unetzoo.metrics import FRACTION, bootstrap, macro, mean, per_image

COLUMNS = ("Dice", "IoU", "precision", "recall")


def read_scores(paths: Sequence[Path], column: str) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Names of cases, their groups, names of classes, and a column of the per-case tables.

    Args:
        paths: ``cases.csv`` of each seed.

    Returns:
        The scores are (seeds, cases, classes), nan where there is none.
    """
    tables = []
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    groups = {row["case"]: row["group"] for row in tables[0]}
    classes = list(dict.fromkeys(row["class"] for row in tables[0]))
    scores = np.full((len(tables), len(groups), len(classes)), np.nan)
    place = {case: i for i, case in enumerate(groups)}
    for seed, rows in enumerate(tables):
        for row in rows:
            scores[seed, place[row["case"]], classes.index(row["class"])] = float(row[column])
    return list(groups), [group or case for case, group in groups.items()], classes, scores


def over_seeds(scores: np.ndarray) -> np.ndarray:
    """(seeds, *rest) to (*rest): the mean over the seeds that have a value."""
    flat = scores.reshape(len(scores), -1)
    return macro(flat).reshape(scores.shape[1:])


def table(name: str, runs: Sequence[Path], results: Sequence[Mapping[str, float]]) -> list[str]:
    """The lines of a set's table.

    Args:
        runs: Folders of the runs, a seed each.
        results: What was measured of each.
    """
    paths = [run / "eval" / "test" / "cases.csv" for run in runs]
    summary: dict[str, Any] = json.loads(paths[0].with_name("summary.json").read_text())
    rows: dict[str, list[str]] = {}
    # the table's own headings, whatever their case
    with open(paths[0], newline="", encoding="utf-8") as file:
        headings = {heading.lower(): heading for heading in next(csv.reader(file))}
    for column in COLUMNS:
        cases, groups, classes, scores = read_scores(paths, headings[column.lower()])
        combined = over_seeds(scores)
        whole = over_seeds(np.stack([per_image(seed) for seed in scores]))
        for label, values in (*zip(classes, combined.T, strict=True), ("mean", whole)):
            cells = rows.setdefault(label, [])
            cells.append("-" if np.isnan(values).all() else f"{mean(values):.4f}")
            if column in COLUMNS[:2]:
                low, high = bootstrap(values, groups, seed=0, limits=FRACTION)
                cells.append("-" if np.isnan(low) else f"{low:.3f} to {high:.3f}")
    _, _, _, found = read_scores(paths, "tp")
    _, _, _, missed = read_scores(paths, "fn")
    pixels = (found[0] + missed[0]).sum(axis=0)
    sizes = ", ".join(f"{label} {int(count):,}" for label, count in zip(classes, pixels, strict=True))
    spread = ", ".join(f"{result['dice']:.4f}" for result in results)
    minutes = mean(np.array([result["cpu_minutes"] for result in results]))
    return [
        f"{name}:",
        "",
        "| class | Dice | 95 % | IoU | 95 % | precision | recall |",
        "|---|---:|---|---:|---|---:|---:|",
        *(f"| {label} | {' | '.join(cells)} |" for label, cells in rows.items()),
        "",
        f"Test: {len(cases)} cases in {len(set(groups))} groups; pixels of the references: {sizes}. "
        f"Rows are means over cases, `mean` that of each case's mean over its classes (`per_image`); "
        f"empty masks: policy `{summary['empty']}`. Mean Dice per seed: {spread}; "
        f"{results[0]['parameters']:,.0f} parameters, {minutes:.1f} CPU minutes a run.",
        "",
    ]


def main() -> None:
    """Run the command line and print a table per set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/development"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.experiments:
        ids = [f"{name}-seed{seed}" for seed in arguments.seeds]
        results = [
            measured(
                run_id,
                [f"experiment={name}", f"seed={seed}"],
                data=arguments.data,
                out=arguments.out,
            )
            for run_id, seed in zip(ids, arguments.seeds, strict=True)
        ]
        print("\n".join(table(name, [arguments.out / run_id for run_id in ids], results)), flush=True)


if __name__ == "__main__":
    main()
