"""Measures that are asked for: in the table, as parquet, of numbered objects, and by several processes."""

import csv
import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image as Pillow
from tests.evaluation.conftest import FakeData, FakePredictor, FakeSample, make_image, make_spec, square

from unetzoo.datasets import SegmentationData
from unetzoo.evaluation import evaluate
from unetzoo.evaluation.gather import gather
from unetzoo.inference.contract import Contract
from unetzoo.inference.predictor import Predictor
from unetzoo.predictor import TorchNetwork

Mixed = tuple[FakeData, FakePredictor]


def test_named_measures_are_columns_with_their_unit_mean_interval_and_definition(
    mixed: Mixed, tmp_path: Path
) -> None:
    data, predictor = mixed
    names = ["hd", "assd", "pq", "hd"]
    summary = evaluate(predictor, data, "test", tmp_path, nsd_tolerance=1, metrics=names, parquet=True)
    with (tmp_path / "cases.csv").open() as file:
        shifted = next(row for row in csv.DictReader(file) if row["case"] == "shifted")
    assert list(shifted)[-4:] == ["hd_px", "assd_px", "pq", "status"]
    assert (float(shifted["hd_px"]), float(shifted["pq"])) == (2, 0)  # the squares' IoU is 0.5
    assert summary.means["hd"]["per_image"] > 2
    assert summary.intervals["pq"].low <= summary.means["pq"]["per_image"] <= summary.intervals["pq"].high
    assert "connected components" in summary.definitions["Objects"]
    assert "Panoptic" in summary.definitions["PQ"]

    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / "cases.parquet").to_pylist()
    assert [row["case"] for row in table] == ["perfect", "shifted", "missed", "false", "absent"]
    assert {key: type(value) for key, value in table[0].items()}["hd_px"] is float
    assert table[1]["assd_px"] == pytest.approx(float(shifted["assd_px"]), rel=1e-5)


def test_without_pyarrow_parquet_is_refused_with_the_extra_before_the_first_case(
    mixed: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"unetzoo\[parquet\]"):
        evaluate(mixed[1], mixed[0], "test", tmp_path / "new", parquet=True)
    assert not (tmp_path / "new").exists()


def test_an_unknown_measure_is_refused_with_those_there_are(mixed: Mixed, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'sdice' is no measure; choose from hd, assd"):
        evaluate(mixed[1], mixed[0], "test", tmp_path, metrics=["sdice"])


def test_objects_are_those_of_the_set_where_it_numbers_them(tmp_path: Path) -> None:
    for name in ("images", "masks", "numbers"):
        (tmp_path / name).mkdir()
    ids = np.zeros((20, 24), np.uint8)
    ids[4:9, 4:20], ids[9:14, 4:20] = 5, 9
    for i in range(2):
        Pillow.fromarray((ids > 0).astype(np.uint8) * 200).save(tmp_path / f"images/c{i}.png")
        Pillow.fromarray(ids if i else (ids > 0).astype(np.uint8)).save(tmp_path / f"masks/c{i}.png")
        Pillow.fromarray(ids).save(tmp_path / f"numbers/c{i}.png")
    (tmp_path / "splits.json").write_text('{"train": ["c0.png"], "val": [], "test": ["c1.png"]}')

    def f1(**options: object) -> float:
        data = SegmentationData(
            root=tmp_path,
            images="images",
            masks="masks",
            splits="splits.json",
            bands=1,
            classes={"background": 0, "gland": "1-255"},
            normalise={"method": "minmax"},
            patch=[8, 8],
            val_fraction=0,
            metrics=["object_f1"],
            **options,  # type: ignore[arg-type]
        )
        contract = Contract("t", data.spec, "sigmoid", (1, 1), True)
        predictor = Predictor(lambda batch: np.asarray((batch - 0.5) * 20, np.float32), contract)
        summary = evaluate(predictor, data, "test", tmp_path / "out", metrics=data.metrics)
        return summary.means["object_f1"]["per_image"]

    assert f1() == f1(objects="no-such-folder") == 1  # one blob, one component
    assert f1(objects="masks") == f1(objects="numbers") == pytest.approx(2 / 3)  # one of two is found


def seven() -> tuple[FakeData, Predictor]:
    """Seven noisy squares, and a convolution that finds them more or less."""
    random = np.random.default_rng(0)
    samples = {}
    for i in range(7):
        mask = square(at=(2 + i, 3), side=4 + i)
        samples[f"case{i}"] = FakeSample(
            make_image((mask + random.normal(0, 0.4, mask.shape))[None].astype(np.float32)), mask
        )
    data = FakeData(make_spec(), samples, {f"case{i}": f"patient{i // 2}" for i in range(7)})
    network = torch.nn.Conv2d(1, 2, 3, padding=1)
    assert network.bias is not None
    with torch.no_grad():
        network.weight[:] = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1) / 2
        network.bias[:] = torch.tensor([2.0, -2.0])
    return data, Predictor(TorchNetwork(network), Contract("conv", data.spec, "softmax", (1, 1), True))


def measured(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}.meet", rank=rank, world_size=world)
    data, predictor = seven()
    evaluate(predictor, data, "test", folder, nsd_tolerance=1, metrics=["assd", "ece"])
    dist.destroy_process_group()


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_one_two_and_four_processes_write_the_same_table_on_seven_cases(tmp_path: Path) -> None:
    data, predictor = seven()
    evaluate(predictor, data, "test", tmp_path / "1", nsd_tolerance=1, metrics=["assd", "ece"])
    for world in (2, 4):
        # forked, because importing torch anew takes longer than all the rest
        context = multiprocessing.get_context("fork")
        processes = [
            context.Process(target=measured, args=(rank, world, tmp_path / str(world)))
            for rank in range(world)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
            assert process.exitcode == 0
    tables = [(tmp_path / name / "cases.csv").read_bytes() for name in "124"]
    assert tables[0] == tables[1] == tables[2]
    assert tables[0].count(b"\n") == 8
    varying = ("date", "seconds", "seconds_per_megapixel", "memory_mb")
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in "124"]
    plain = [{key: value for key, value in item.items() if key not in varying} for item in summaries]
    assert plain[0] == plain[1] == plain[2]
    pages = [(tmp_path / name / "report.html").read_text().count("<section") for name in "124"]
    assert pages[0] == pages[1] == pages[2] > 0


def test_a_case_that_came_twice_counts_once_in_the_order_of_the_split() -> None:
    assert gather(["c=1", "a=2", "c=1", "b=3"], lambda item: item[0], ["a", "b", "c"]) == [
        "a=2",
        "b=3",
        "c=1",
    ]


def test_report_has_confusion_calibration_and_three_planes(tmp_path: Path) -> None:
    data, predictor = seven()
    evaluate(predictor, data, "test", tmp_path / "2d", nsd_tolerance=1, metrics=["ece", "brier"])
    page = (tmp_path / "2d/report.html").read_text()
    assert "How often a probability comes true" in page
    assert ">True class<" in page
    reference = np.zeros((9, 12, 12), np.uint8)
    reference[3:7, 2:9, 4:6] = 1
    image = make_image(reference[None].astype(np.float32), spacing=(2.0, 1.0, 1.0), unit="mm")
    volume = FakeData(make_spec(ndim=3, unit="mm"), {"scan": FakeSample(image, reference)})
    evaluate(FakePredictor(volume, {"scan": reference}), volume, "test", tmp_path / "3d")
    page = (tmp_path / "3d/report.html").read_text()
    assert all(f"{plane} slice" in page for plane in ("axial", "coronal", "sagittal"))
    assert "How often a probability comes true" not in page


def test_rows_of_the_confusion_matrix_add_up_to_the_pixels_of_the_split(mixed: Mixed, tmp_path: Path) -> None:
    evaluate(mixed[1], mixed[0], "test", tmp_path, nsd_tolerance=1)
    page = (tmp_path / "report.html").read_text()
    # 3 of 5 references have a square of 36; 36 + 24 of its pixels are found
    assert f">{5 * 400 - 3 * 36:,}<" in page
    assert f">{100 * 60 / 108:.2f}<" in page
