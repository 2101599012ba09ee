"""``report.html`` of classes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from unetzoo.evaluation.charts import COLOURS, histogram, reliability_chart
from unetzoo.evaluation.curves import Curve
from unetzoo.evaluation.gallery import Gallery
from unetzoo.evaluation.overlays import ERRORS
from unetzoo.evaluation.page import curve_charts, galleries, write_page
from unetzoo.evaluation.summary import Summary
from unetzoo.evaluation.table import CaseResult
from unetzoo.inference.contract import DataSpec
from unetzoo.metrics import EXTRAS, MEANS

__all__ = ["write_report"]


def write_report(
    path: Path,
    summary: Summary,
    results: Sequence[CaseResult],
    data: DataSpec,
    gallery: Gallery[CaseResult],
    curves: Mapping[str, Curve],
    config: str,
) -> None:
    """Render the template; names that come from files are escaped there.

    Args:
        results: Every case, for the table.
        gallery: Has been offered every case.
        curves: Training curves by column name, none for a model without a run.
        config: Of the training run, YAML; empty if the model carries none.
    """
    protocol = summary.protocol
    best = max(curves.get("val/dice", []), key=lambda point: point[1], default=None)
    scores = [name for name in curves if name.startswith("val/") and "loss" not in name]
    write_page(
        path,
        "report",
        summary=summary,
        origin=summary.origin,
        protocol=protocol,
        flips=protocol.flips,
        headings=_headings(summary),
        kinds=MEANS,
        curves=curve_charts(curves, {"Validation scores": scores}, best and best[0]),
        best="highest val/dice",
        config=config,
        histograms=_histograms(summary, results),
        nothing="no measured class occurs",
        galleries=galleries(gallery),
        pictures=gallery.pictures,
        reference="reference",
        confusion=_confusion(summary, results),
        reliability=_reliability(summary, results),
        distances={"hd95"} | {name for name in protocol.extras if EXTRAS[name].distance},
        colours={data.classes[index].name: data.classes[index].colour for index in protocol.classes},
        errors=ERRORS,
        rows=[(result, score) for result in results for score in result.listed(protocol)],
        grouped=any(result.group not in ("", result.name) for result in results),
    )


def _headings(summary: Summary) -> dict[str, str]:
    """Field to table heading, in the words people say."""
    unit = summary.protocol.unit
    words = {"dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall"}
    extras = {
        name: f"{EXTRAS[name].label} ({unit})" if EXTRAS[name].distance else EXTRAS[name].label
        for name in summary.protocol.extras
    }
    nsd = f"NSD @ {summary.protocol.tolerance:g} {unit}"
    return {**words, "hd95": f"HD95 ({unit})", "nsd": nsd, **extras}


def _confusion(summary: Summary, results: Sequence[CaseResult]) -> list[tuple[str, int, list[float]]]:
    """True class, its pixels, and the part of them that was predicted as each class or not at all."""
    matrices = [result.confusion for result in results if result.confusion is not None]
    if not matrices:
        return []
    total = np.sum(matrices, axis=0)
    rows = zip(summary.protocol.names, total.sum(1).tolist(), total, strict=True)
    return [(name, pixels, (row / max(pixels, 1)).tolist()) for name, pixels, row in rows]


def _reliability(summary: Summary, results: Sequence[CaseResult]) -> tuple[list[str], str] | None:
    """Names of the classes and SVG; None where no probabilities were looked at."""
    curves = {}
    for k, name in enumerate(summary.protocol.measured[:COLOURS]):
        bins = [result.scores[k].reliability for result in results]
        known = [item for item in bins if item is not None]
        if known:
            pixels, said, true = np.sum([(r.pixels, r.confidence, r.hits) for r in known], axis=0)
            used = pixels > 0
            curves[name] = list(
                zip((said[used] / pixels[used]).tolist(), (true[used] / pixels[used]).tolist(), strict=True)
            )
    return ([*curves], reliability_chart(curves)) if curves else None


def _histograms(summary: Summary, results: Sequence[CaseResult]) -> list[tuple[str, str, str]]:
    """Class, a line of numbers and SVG for each class that has a value anywhere."""
    charts = []
    for k, item in enumerate(summary.classes):
        found = [score for score in (result.scores[k].dice for result in results) if not math.isnan(score)]
        if found:
            middle = f"mean {np.mean(found):.3f}, median {np.median(found):.3f} (dashed)"
            line = f"{len(found)} {'case' if len(found) == 1 else 'cases'}, {middle}"
            charts.append((item.name, line, histogram(found, x_label="Dice of a case")))
    return charts
