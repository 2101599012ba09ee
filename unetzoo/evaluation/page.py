"""Pages that open offline: one file with everything in it."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from unetzoo import __version__
from unetzoo.evaluation.charts import COLOURS, line_chart
from unetzoo.evaluation.curves import Curve
from unetzoo.evaluation.gallery import Gallery
from unetzoo.inference.files import replacing

__all__ = ["curve_charts", "galleries", "write_page"]


def write_page(path: Path, name: str, **values: Any) -> None:
    """Render a template of this folder; names that come from files are escaped in it."""
    page = _environment().get_template(f"{name}.html.jinja").render(version=__version__, **values)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("unetzoo.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    return environment


def _number(value: float, digits: int = 3) -> str:
    """Fixed digits, an en dash for what does not exist."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def galleries(gallery: Gallery[Any]) -> list[tuple[str, list[Any]]]:
    """Title and cases of each part."""
    worst, best = gallery.extremes
    return [("Worst cases", worst), ("Median cases", gallery.middle), ("Best cases", best)]


def curve_charts(
    curves: Mapping[str, Curve], scores: Mapping[str, Sequence[str]], best: float | None
) -> list[tuple[str, list[str], str]]:
    """Title, names of the lines and SVG of each chart that has at least one line.

    Args:
        scores: Columns of the charts beside those of losses and learning rates, by title.
        best: Epoch to mark.
    """
    titles: dict[str, Sequence[str]] = {
        "Loss": [name for name in curves if "loss" in name],
        **scores,
        "Learning rate": [name for name in curves if name.startswith("lr")],
    }
    return [
        (title, names, line_chart({name: curves[name] for name in names}, x_label="epoch", mark=best))
        for title, found in titles.items()
        if (names := [name for name in found if name in curves][:COLOURS])
    ]
