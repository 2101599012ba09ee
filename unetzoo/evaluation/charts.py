"""Small charts as inline SVG; the page's style sheet colours them, so they follow light and dark."""

import math
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Xml

import numpy as np

from unetzoo.evaluation.curves import Curve

__all__ = ["COLOURS", "histogram", "line_chart", "reliability_chart", "scatter", "ticks"]

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 12, 42
COLOURS = 6
"""How many line colours the style sheet has."""


def line_chart(curves: Mapping[str, Curve], *, x_label: str, mark: float | None = None) -> str:
    """One line per curve, in colours ``c0``, ``c1`` ...; a dashed vertical line at ``mark``."""
    points = [point for curve in curves.values() for point in curve]
    xs = ticks([x for x, _ in points], whole=True)
    chart = _Chart(xs, ticks([y for _, y in points]), x_label)
    if mark is not None:
        chart.mark(mark)
    for number, (name, curve) in enumerate(curves.items()):
        places = [(chart.x(x), chart.y(y)) for x, y in curve]
        kind = f"c{number % COLOURS}"
        chart.add("polyline", "line " + kind, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
        if len(curve) <= 60:
            for (epoch, value), (x, y) in zip(curve, places, strict=True):
                label = f"{name}, {x_label} {epoch:g}: {value:.4g}"
                chart.add("circle", "dot " + kind, label, cx=x, cy=y, r=2)
    return chart.text()


def histogram(
    values: Sequence[float],
    *,
    x_label: str,
    bins: int = 20,
    axis: Sequence[float] = (0, 0.2, 0.4, 0.6, 0.8, 1),
) -> str:
    """How many of the values fall into each bin between the axis's ends; a dashed line marks the median."""
    counts, edges = np.histogram(values, bins=bins, range=(axis[0], axis[-1]))
    chart = _Chart(list(axis), ticks([0, float(counts.max())], whole=True), x_label)
    for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            left, top = chart.x(low) + 0.8, chart.y(count)
            size = {"width": chart.x(high) - 0.8 - left, "height": chart.y(0) - top}
            chart.add("rect", "bar", f"{low:.4g} to {high:.4g}: {count}", x=left, y=top, **size)
    chart.mark(float(np.median(values)))
    return chart.text()


def reliability_chart(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """How often what had a mean probability was true, one line per class; the dashed diagonal is perfect."""
    ends = [0, 0.2, 0.4, 0.6, 0.8, 1]
    chart = _Chart(ends, ends, "probability")
    chart.add("line", "mark", x1=chart.x(0), y1=chart.y(0), x2=chart.x(1), y2=chart.y(1))
    for number, (name, curve) in enumerate(curves.items()):
        places = [(chart.x(x), chart.y(y)) for x, y in curve]
        kind = f"c{number % COLOURS}"
        chart.add("polyline", "line " + kind, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
        for (said, true), (x, y) in zip(curve, places, strict=True):
            label = f"{name}: {true:.3f} of the pixels of probability {said:.3f}"
            chart.add("circle", "dot " + kind, label, cx=x, cy=y, r=2.5)
    return chart.text()


def scatter(points: Mapping[str, tuple[float, float]], front: Sequence[str], *, x_label: str) -> str:
    """Named points, those of the front joined by steps: nothing is both further left and higher up."""
    chart = _Chart(
        ticks([0.0, *(x for x, _ in points.values())]), ticks([y for _, y in points.values()]), x_label
    )
    corners: list[tuple[float, float]] = []
    for x, y in sorted(points[name] for name in front):
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    places = " ".join(f"{chart.x(x):.1f},{chart.y(y):.1f}" for x, y in corners)
    chart.add("polyline", "line", points=places)
    for number, (name, (x, y)) in enumerate(points.items()):
        kind = f"c{number % COLOURS}"
        chart.add("circle", "dot " + kind, f"{name}: {y:.4g} at {x:.4g}", cx=chart.x(x), cy=chart.y(y), r=5)
        chart.add("text", "tick middle", x=chart.x(x), y=chart.y(y) - 9).text = name
    return chart.text()


def ticks(values: Sequence[float], *, whole: bool = False) -> list[float]:
    """Three to seven round numbers of which the first and the last enclose the values."""
    low, high = min(values), max(values)
    if high <= low:
        reach = 0.5 * abs(low) or 0.5
        low, high = (low, low + 1) if whole else (low - reach, high + reach)
    power = 10 ** math.floor(math.log10((high - low) / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if (high - low) / (power * factor) <= 5.0)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


class _Chart:
    """An SVG with axes; ``x`` and ``y`` take data to the drawing."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], x_label: str) -> None:
        self.xs, self.ys = xs, ys
        self.svg = Xml.Element("svg", {"class": "chart", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"})
        floor = HEIGHT - BOTTOM
        for value in ys:
            y = self.y(value)
            self.add("line", "grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
            self.add("text", "tick end", x=LEFT - 7, y=y + 3.5).text = f"{value:.4g}"
        for value in xs:
            x = self.x(value)
            self.add("line", "axis", x1=x, x2=x, y1=floor, y2=floor + 4)
            self.add("text", "tick middle", x=x, y=floor + 17).text = f"{value:.4g}"
        self.add("line", "axis", x1=LEFT, x2=WIDTH - RIGHT, y1=floor, y2=floor)
        self.add("text", "tick middle", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6).text = x_label

    def x(self, value: float) -> float:
        return LEFT + (value - self.xs[0]) / (self.xs[-1] - self.xs[0]) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.ys[-1] - value) / (self.ys[-1] - self.ys[0]) * (HEIGHT - TOP - BOTTOM)

    def add(self, tag: str, kind: str, title: str = "", **attributes: float | str) -> Xml.Element:
        plain = {key: f"{v:.1f}" if isinstance(v, float | int) else v for key, v in attributes.items()}
        element = Xml.SubElement(self.svg, tag, {"class": kind, **plain})
        if title:
            Xml.SubElement(element, "title").text = title
        return element

    def mark(self, value: float) -> None:
        x = self.x(value)
        self.add("line", "mark", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM)

    def text(self) -> str:
        return Xml.tostring(self.svg, encoding="unicode")
