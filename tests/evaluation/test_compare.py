"""Runs compared case by case, against scipy and by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.evaluation.conftest import FakeData, FakePredictor, cells, square

from unetzoo.cli import main
from unetzoo.evaluation import evaluate
from unetzoo.evaluation.compare import pareto_front
from unetzoo.metrics import per_image
from unetzoo.metrics.testing import holm, signed_rank

Shift = dict[str, int]


def evaluated(
    folder: Path,
    shifts: Shift,
    *,
    groups: dict[str, str] | None = None,
    side: int = 6,
    tolerance: float = 1,
) -> Path:
    """An evaluation whose predictions are squares that are shifted by so many pixels."""
    pairs = {name: (square(side=side), square(at=(5, 5 + by), side=side)) for name, by in shifts.items()}
    data, predictor = cells(pairs, groups)
    evaluate(predictor, data, "test", folder, nsd_tolerance=tolerance)
    return folder


SHIFTS = {f"case{i:02d}": 2 + i % 3 for i in range(12)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve cases: b is better than a in most, c equals a, and others cannot be compared with a."""
    folder = tmp_path_factory.mktemp("compare")

    def evaluation(name: str, shifts: Shift, **options: Any) -> Path:
        return evaluated(folder / f"runs/{name}/eval/test", shifts, **options)

    evaluation("a", SHIFTS)
    evaluation("b", {name: by - (by > 2) for name, by in SHIFTS.items()})
    shutil.copytree(folder / "runs/a", folder / "runs/c")
    evaluation("other", {"case00": 2, "new": 1})
    evaluation("mask", SHIFTS, side=5)
    evaluation("grouped", SHIFTS, groups=dict.fromkeys(SHIFTS, "one"))
    evaluation("tolerant", SHIFTS, tolerance=2)
    shutil.copytree(folder / "runs/a", folder / "runs/renamed")
    summary = folder / "runs/renamed/eval/test/summary.json"
    summary.write_text(summary.read_text().replace("made-up", "elsewhere"))
    return folder


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_differences_and_p_values_are_those_of_the_tables(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "runs/a", "runs/b", "runs/c"]) == 0
    shown = capsys.readouterr().out
    assert "a : b" in shown
    found = json.loads(Path("comparison/comparison.json").read_text())
    # shifts 2, 3, 4 of six columns have the Dice 4/6, 3/6, 2/6
    gain = np.array([(0, 1 / 6, 1 / 6)[i % 3] for i in range(12)])
    ab, ac, bc = found["pairs"]
    assert (ab["a"], ab["b"], ab["n_cases"], ab["n_unpaired"]) == ("a", "b", 12, 0)
    assert ab["difference"] == pytest.approx(gain.mean(), abs=1e-5)
    assert bc["difference"] == pytest.approx(-gain.mean(), abs=1e-5)
    assert ab["interval"]["low"] <= gain.mean() <= ab["interval"]["high"]
    assert ab["p"] == pytest.approx(stats.wilcoxon(gain[gain > 0]).pvalue, rel=1e-6)
    assert (ac["p"], ac["difference"], ac["interval"]) == (1, 0, {"low": 0, "high": 0})
    assert ab["p_holm"] == pytest.approx(3 * ab["p"])
    assert found["runs"][0]["mean"] == pytest.approx((4 + 3 + 2) / 18, abs=1e-5)
    page = Path("comparison/comparison.html").read_text()
    assert "default-src 'none'" in page
    assert "peak memory" in page


@pytest.mark.parametrize("name", ["hd95", "hd95_px"])
def test_a_measure_with_a_unit_goes_by_its_name_and_lower_is_better(runs: Path, name: str) -> None:
    assert main(["compare", "runs/a/eval/test", "runs/b/eval/test", f"metric={name}", "out=o"]) == 0
    found = json.loads(Path("o/comparison.json").read_text())
    assert (found["metric"], found["lower_is_better"]) == ("hd95_px", True)
    assert [run["name"] for run in found["runs"]] == ["a", "b"]
    assert found["pairs"][0]["difference"] < 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs/a", "runs/other"], "different cases, 12 are in one table only, such as case01"),
        (["runs/a", "runs/mask"], "reference of case case00 has 25 pixels of cell in mask and 36 in a"),
        (["runs/a", "runs/grouped"], "group their cases differently"),
        (["runs/a", "runs/renamed"], "renamed was evaluated with data elsewhere and a with made-up"),
        (["runs/a", "runs/none"], "no evaluation of the split test; run `unetzoo eval"),
        (["runs/a"], "1 run(s), 1 of them different; give two or more"),
        (["runs/a", "runs/a"], "2 run(s), 1 of them different"),
        (["runs/a", "runs/tolerant", "metric=nsd"], "nsd was measured in two ways: a has nsd@1px, tolerant"),
        (["runs/a", "runs/b", "metric=dise"], "metric=dise is not in"),
        (["runs/a", "runs/b", "metrc=dice"], "no option metrc (did you mean metric?); it has"),
        (["runs/a", "runs/b", "seed=x"], "seed=x must be a whole number"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_one_sentence(
    runs: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


def test_a_class_that_one_run_alone_finds_where_it_is_not_is_counted_as_unpaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = np.zeros((20, 20), np.uint8)
    for name, alarm in (("calm", nothing), ("alarmed", square())):
        made: tuple[FakeData, FakePredictor] = cells(
            {f"c{i}": (square(), square(at=(5, 5 + i))) for i in range(4)} | {"empty": (nothing, alarm)}
        )
        evaluate(made[1], made[0], "test", tmp_path / name, nsd_tolerance=1)
    assert main(["compare", "calm", "alarmed"]) == 0
    assert "up to 1 values have no partner" in capsys.readouterr().out
    pair = json.loads(Path("comparison/comparison.json").read_text())["pairs"][0]
    assert (pair["n_unpaired"], pair["n_cases"], pair["difference"]) == (1, 4, 0)


def test_cases_of_one_patient_are_one_observation_of_the_test() -> None:
    random = np.random.default_rng(0)
    gains = random.normal(0.1, 0.1, 6)
    cases = np.repeat(gains, 5)
    groups = np.repeat([*"abcdef"], 5).tolist()
    assert signed_rank(cases, groups) == pytest.approx(stats.wilcoxon(gains).pvalue)
    assert signed_rank(np.append(cases, np.nan), [*groups, "g"]) == signed_rank(cases, groups)
    assert np.isnan(signed_rank(np.array([np.nan]), ["a"]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_equals_stepping_down_by_hand(p: list[float]) -> None:
    corrected = holm(p)
    ranked = sorted(range(len(p)), key=lambda i: p[i])
    highest = 0.0
    for step, i in enumerate(ranked):
        highest = max(highest, min(1.0, (len(p) - step) * p[i]))
        assert corrected[i] == pytest.approx(highest)
    assert holm([0.01, float("nan")])[0] == 0.01


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9), st.booleans())
def test_the_front_is_what_nothing_else_dominates(points: list[tuple[int, int]], lower: bool) -> None:
    sign = -1 if lower else 1
    front = {points[i] for i in pareto_front(points, lower_is_better=lower)}
    for x, y in set(points):
        beaten = any(a <= x and sign * b >= sign * y and (a, b) != (x, y) for a, b in points)
        assert ((x, y) in front) != beaten


def test_differences_are_of_the_classes_that_both_runs_have_a_value_of() -> None:
    a, b = np.array([[0.5, np.nan], [0.2, 0.4]]), np.array([[0.7, 0.0], [0.2, 0.6]])
    assert per_image(b - a) == pytest.approx([0.2, 0.1])
