"""Training curves from a run's ``metrics.csv``."""

import csv
import math
from pathlib import Path

__all__ = ["Curve", "read_curves"]

Curve = list[tuple[float, float]]
"""Points (epoch, value) in order."""


def read_curves(path: Path) -> dict[str, Curve]:
    """Column to curve, for every numeric column but ``epoch`` and ``step`` that has a finite value.

    Training and validation may stand in different rows of one epoch, as Lightning's CSV logger writes them;
    of several values in an epoch the last one counts. A missing or empty file gives no curves.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, dict[float, float]] = {}
    for row in rows:
        epoch = _number(row.get("epoch"))
        for name, text in row.items():
            value = _number(text)
            if name and name not in ("epoch", "step") and math.isfinite(epoch) and math.isfinite(value):
                found.setdefault(name, {})[epoch] = value
    return {name: sorted(points.items()) for name, points in found.items()}


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return math.nan
