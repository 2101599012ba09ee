"""Evaluation of made-up cases whose results are known beforehand."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evaluation.conftest import (
    FakeData,
    FakePredictor,
    FakeSample,
    cells,
    make_image,
    make_spec,
    square,
)

from unetzoo.evaluation import evaluate

Mixed = tuple[FakeData, FakePredictor]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refuse_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def test_every_number_of_the_mixed_set(mixed: Mixed, tmp_path: Path) -> None:
    predictor, data = mixed[1], mixed[0]
    summary = evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)
    # the shifted square has 4 of 6 columns in common; the absent case has no value
    dice = [1.0, 2 / 3, 0.0, 0.0]
    assert summary.means["dice"]["per_image"] == pytest.approx(np.mean(dice))
    assert summary.means["dice"]["micro"] == pytest.approx(
        2 * (36 + 24) / (2 * (36 + 24) + 12 + 36 + 12 + 36)
    )
    assert summary.means["iou"]["per_image"] == pytest.approx(np.mean([1, 0.5, 0, 0]))
    diagonal = 20 * 2**0.5
    assert summary.means["hd95"]["macro"] == pytest.approx((0 + 2 + 2 * diagonal) / 4)
    assert (summary.n_cases, summary.n_groups, summary.n_empty, summary.n_failed) == (5, 3, 1, 2)
    assert (summary.classes[0].n_cases, summary.classes[0].n_empty, summary.classes[0].n_failed) == (4, 1, 2)
    assert summary.classes[0].name == "cell"
    assert summary.protocol.excluded == ["background"]


def test_table_has_a_row_per_case_and_states_units(mixed: Mixed, tmp_path: Path) -> None:
    evaluate(mixed[1], mixed[0], "test", tmp_path, nsd_tolerance=2.5)
    table = rows(tmp_path)
    assert [row["case"] for row in table] == ["perfect", "shifted", "missed", "false", "absent"]
    assert [row["status"] for row in table] == ["ok", "ok", "missed", "false alarm", "absent"]
    assert {"group", "class", "n_pixels", "tp", "fp", "fn", "hd95_px", "nsd@2.5px"} <= set(table[0])
    assert table[4]["dice"] == "nan"
    assert float(table[1]["hd95_px"]) == pytest.approx(2)
    for row in table[:4]:  # the measures follow from the counts beside them
        tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
        assert float(row["dice"]) == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-6)


def test_summary_file_is_strict_json_with_policy_unit_and_seed(mixed: Mixed, tmp_path: Path) -> None:
    evaluate(mixed[1], mixed[0], "test", tmp_path, nsd_tolerance=1, seed=7)
    found = json.loads((tmp_path / "summary.json").read_text(), parse_constant=refuse_constant)
    assert (found["empty"], found["unit"], found["nsd_tolerance"], found["seed"]) == ("nan", "px", 1.0, 7)
    assert (found["model"], found["data"], found["split"]) == ("toy", "made-up", "test")
    assert found["weights_sha256"] == "abc"
    assert set(found["means"]["dice"]) == {"per_image", "macro", "micro", "macro_pooled"}
    assert found["means"]["hd95_px"]["per_image"] > 0
    assert found["intervals"]["dice"]["low"] <= found["means"]["dice"]["per_image"]
    assert found["classes"][0]["n_failed"] == 2
    assert "diagonal" in found["definitions"]["Empty masks"]


def test_terminal_text_names_the_means_and_the_policy(mixed: Mixed, tmp_path: Path) -> None:
    text = evaluate(mixed[1], mixed[0], "test", tmp_path, nsd_tolerance=1, empty="one").text()
    for word in (
        "per_image",
        "micro",
        "policy one",
        "nsd@1px",
        "hd95_px",
        "5 cases in 3 groups",
        "background",
    ):
        assert word in text


def test_policies_differ_where_a_class_is_absent_and_nowhere_else(mixed: Mixed, tmp_path: Path) -> None:
    found = {
        empty: evaluate(mixed[1], mixed[0], "test", tmp_path / empty, nsd_tolerance=1, empty=empty)
        for empty in ("nan", "one", "skip")
    }
    means = {empty: summary.means["dice"]["per_image"] for empty, summary in found.items()}
    assert means["nan"] == means["skip"] == pytest.approx((1 + 2 / 3) / 4)
    assert means["one"] == pytest.approx((2 + 2 / 3) / 5)
    assert {summary.n_empty for summary in found.values()} == {1}
    assert [len(rows(tmp_path / empty)) for empty in ("nan", "one", "skip")] == [5, 5, 4]


def test_same_input_same_files(mixed: Mixed, tmp_path: Path) -> None:
    for name in ("a", "b"):
        evaluate(mixed[1], mixed[0], "test", tmp_path / name, nsd_tolerance=1)
    assert (tmp_path / "a/cases.csv").read_bytes() == (tmp_path / "b/cases.csv").read_bytes()
    a, b = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("a", "b"))
    assert a.pop("seconds") > 0
    b.pop("seconds")
    for key in ("date", "seconds_per_megapixel", "memory_mb"):
        assert a.pop(key)
        assert b.pop(key)
    assert a == b


def test_cases_of_one_patient_are_drawn_together(tmp_path: Path) -> None:
    pairs = {f"c{i}": (square(), square(at=(5, 5 + i % 4))) for i in range(8)}
    alone = evaluate(*reversed(cells(pairs)), "test", tmp_path, nsd_tolerance=1)  # type: ignore[misc,arg-type]
    data, predictor = cells(pairs, dict.fromkeys(pairs, "one patient"))
    together = evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)
    assert alone.intervals["dice"].low < alone.means["dice"]["per_image"] < alone.intervals["dice"].high
    assert np.isnan(together.intervals["dice"]).all()
    assert "one observation" in together.definitions["Confidence interval"]


def test_volumes_are_measured_in_millimetres(tmp_path: Path) -> None:
    reference = np.zeros((8, 12, 10), np.uint8)
    reference[2:5, 3:8, 3:7] = 1
    spec = make_spec(ndim=3, unit="mm")
    image = make_image(reference[None].astype(np.float32), spacing=(3.0, 1.0, 1.0), unit="mm")
    data = FakeData(spec, {"scan": FakeSample(image, reference)})
    predictor = FakePredictor(data, {"scan": np.roll(reference, 1, axis=0)})
    summary = evaluate(predictor, data, "test", tmp_path)
    assert summary.means["hd95"]["per_image"] == pytest.approx(3)
    # without a tolerance: one voxel of the data's spacing, which is 2 mm
    assert {"hd95_mm", "nsd@2mm"} <= set(rows(tmp_path)[0])


def test_a_case_in_another_unit_is_refused_by_name(tmp_path: Path) -> None:
    data, predictor = cells({"plain": (square(), square())})
    data.spec = replace(data.spec, unit="m")
    with pytest.raises(ValueError, match=r"plain.*px.*unit is m"):
        evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)
    assert list(tmp_path.iterdir()) == []


def test_degrees_are_no_length(tmp_path: Path) -> None:
    data, predictor = cells({"tile": (square(), square(at=(5, 6)))})
    spec = replace(data.spec, unit="deg", spacing=(1e-5, 1e-5))
    data.spec, predictor.contract = spec, replace(predictor.contract, data=spec)
    assert evaluate(predictor, data, "test", tmp_path).protocol.columns["nsd"] == "nsd@1px"


def test_overlapping_classes_are_each_measured(tmp_path: Path) -> None:
    reference = np.stack([square(), square(side=3)])
    prediction = np.stack([square(), square(side=3, at=(5, 6))])
    data = FakeData(
        make_spec(("whole", "core"), multilabel=True),
        {"a": FakeSample(make_image(reference[:1].astype(np.float32)), reference)},
    )
    predictor = FakePredictor(data, {"a": prediction}, activation="sigmoid")
    summary = evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)
    assert [item.means["dice"] for item in summary.classes] == pytest.approx([1, 2 / 3])
    assert summary.means["dice"]["micro"] == pytest.approx(2 * 42 / (2 * 42 + 6))


def test_checkpoint_hash_is_that_of_the_file(mixed: Mixed, tmp_path: Path) -> None:
    checkpoint = tmp_path / "best.ckpt"
    checkpoint.write_bytes(b"abc")
    origin = evaluate(mixed[1], mixed[0], "test", tmp_path, nsd_tolerance=1, checkpoint=checkpoint).origin
    assert origin.checkpoint == "best.ckpt"
    assert origin.checkpoint_sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "val"}, "split 'val' of made-up has no cases"),
        ({"nsd_tolerance": 0.0}, "nsd_tolerance=0.0"),
        ({"nsd_tolerance": float("nan")}, "nsd_tolerance=nan"),
        ({"empty": "zero"}, "empty='zero'"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(
    mixed: Mixed, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    arguments = {"split": "test", "nsd_tolerance": 1.0, **settings}
    with pytest.raises(ValueError, match=message):
        evaluate(mixed[1], mixed[0], out_dir=tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_a_model_of_other_classes_is_refused(mixed: Mixed, tmp_path: Path) -> None:
    data, predictor = mixed
    predictor.contract = replace(predictor.contract, data=make_spec(("background", "nucleus")))
    with pytest.raises(ValueError, match=r"classes background, nucleus.*background, cell"):
        evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)


def test_a_case_without_a_mask_is_refused_by_name(
    mixed: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, predictor = mixed
    cases = [replace(case, mask=None) if case.name == "false" else case for case in data.cases("test")]
    monkeypatch.setattr(data, "cases", lambda split: cases)
    with pytest.raises(ValueError, match="case false of split 'test' has no mask"):
        evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1)


def test_an_output_that_is_a_file_is_refused_by_name(mixed: Mixed, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        evaluate(mixed[1], mixed[0], "test", tmp_path / "taken", nsd_tolerance=1)
