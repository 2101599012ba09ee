"""``report.html`` of predicted images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from unetzoo.evaluation.charts import histogram, ticks
from unetzoo.evaluation.curves import Curve
from unetzoo.evaluation.gallery import Gallery
from unetzoo.evaluation.image_summary import CaseErrors, ImageSummary
from unetzoo.evaluation.page import curve_charts, galleries, write_page

__all__ = ["write_image_report"]


def write_image_report(
    path: Path,
    summary: ImageSummary,
    rows: Sequence[CaseErrors],
    gallery: Gallery[CaseErrors],
    curves: Mapping[str, Curve],
    config: str,
) -> None:
    """Render the template; names that come from files are escaped there.

    Args:
        rows: Every case, for the table.
        gallery: Has been offered every case.
        curves: Training curves by column name, none for a model without a run.
        config: Of the training run, YAML; empty if the model carries none.
    """
    scores = {heading: [f"val/{field}"] for field, heading in summary.headings.items()}
    best = min(curves.get("val/mae", []), key=lambda point: point[1], default=None)
    write_page(
        path,
        "images",
        summary=summary,
        origin=summary.origin,
        flips=summary.flips,
        curves=curve_charts(curves, scores, best and best[0]),
        best="lowest val/mae",
        config=config,
        histograms=_histograms(summary, rows),
        nothing="no pixel's target counts",
        galleries=galleries(gallery),
        pictures=gallery.pictures,
        reference="target",
        rows=rows,
        grouped=any(row.group not in ("", row.name) for row in rows),
    )


def _histograms(summary: ImageSummary, rows: Sequence[CaseErrors]) -> list[tuple[str, str, str]]:
    """Measure, a line of numbers and SVG for each measure that is finite anywhere."""
    charts = []
    for field, heading in summary.headings.items():
        values = np.array([getattr(row.errors, field) for row in rows])
        found = values[np.isfinite(values)].tolist()
        if found:
            middle = f"mean {np.mean(found):.4g}, median {np.median(found):.4g} (dashed)"
            line = f"{len(found)} {'case' if len(found) == 1 else 'cases'}, {middle}"
            charts.append(
                (heading, line, histogram(found, x_label=f"{heading} of a case", axis=ticks(found)))
            )
    return charts
