"""Curves, charts and the choice of cases, each on its own."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetzoo.evaluation.charts import histogram, line_chart, ticks
from unetzoo.evaluation.curves import read_curves
from unetzoo.evaluation.gallery import Gallery, extremes
from unetzoo.evaluation.pictures import Panels
from unetzoo.evaluation.table import CaseResult
from unetzoo.metrics import ClassScore


def case(name: str, dice: float) -> CaseResult:
    score = ClassScore(1, "ok", 9, 1, 1, 1, dice, dice, dice, dice, 0.0, 1.0)
    return CaseResult(name, name, (score,))


def picture(name: str) -> tuple[Panels, ...]:
    return (Panels(1, 1, "", "", "", "", name),)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5, 1.0, math.nan]), max_size=30), st.integers(1, 5))
def test_streaming_finds_the_same_cases_as_sorting_all(values: list[float], count: int) -> None:
    results = [case(f"c{i}", value) for i, value in enumerate(values)]
    gallery = Gallery[CaseResult](count)
    for result in results:
        gallery.offer(result, lambda name=result.name: picture(name))  # type: ignore[misc]
        assert len(gallery.pictures) <= 2 * count
    assert gallery.extremes == extremes(results, count)
    shown = [item.name for part in gallery.extremes for item in part]
    assert sorted(shown) == sorted(gallery.pictures)
    assert all(gallery.pictures[name][0].caption == name for name in shown)


def test_no_case_is_both_worst_and_best() -> None:
    worst, best = extremes([case("a", 0.3), case("b", 0.1), case("c", 0.2)], 4)
    assert [item.name for item in worst] == ["b", "c"]
    assert [item.name for item in best] == ["a"]


def test_curves_join_the_rows_of_an_epoch(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,train/loss,val/dice\n0,9,0.5,\n0,9,,0.1\n1,18,0.4,\n1,18,,nan\n2,20,x,0.3\n")
    assert read_curves(file) == {"train/loss": [(0, 0.5), (1, 0.4)], "val/dice": [(0, 0.1), (2, 0.3)]}
    assert read_curves(tmp_path / "none.csv") == {}
    file.write_text("")
    assert read_curves(file) == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), st.booleans())
def test_ticks_enclose_the_values_and_are_few(values: list[float], whole: bool) -> None:
    found = ticks(values, whole=whole)
    reach = 2e-9 * (found[1] - found[0])  # less than can be drawn
    assert found[0] <= min(values) + reach
    assert found[-1] >= max(values) - reach
    assert 2 <= len(found) <= 8
    if whole:
        assert all(value == int(value) for value in found)


def test_charts_are_wellformed_and_escape_names() -> None:
    chart = ElementTree.fromstring(line_chart({"<a>&": [(0, 1.0), (5, 3.0)]}, x_label="epoch", mark=5))
    lines = chart.findall("polyline")
    assert len(lines) == 1
    (x0, y0), (x1, y1) = (map(float, pair.split(",")) for pair in lines[0].attrib["points"].split())
    assert x0 < x1
    assert y0 > y1  # larger is higher up
    assert any("<a>&" in (title.text or "") for title in chart.iter("title"))


def test_bars_count_every_value() -> None:
    values = [*np.random.default_rng(0).random(50).tolist(), 0.0, 1.0]
    chart = ElementTree.fromstring(histogram(values, x_label="Dice"))
    counts = [int((title.text or "").rpartition(": ")[2]) for title in chart.iter("title")]
    assert sum(counts) == 52


def test_a_single_point_is_a_chart() -> None:
    assert "circle" in line_chart({"loss": [(0, 0.5)]}, x_label="epoch")
    assert ticks([0.5])[0] == pytest.approx(0.2, abs=0.1)
