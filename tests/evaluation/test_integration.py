"""The real predictor and the real data on files, with a network that is a threshold."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unetzoo.datasets import SegmentationData
from unetzoo.evaluation import evaluate
from unetzoo.inference.contract import Contract
from unetzoo.inference.geometry import Image as Whole
from unetzoo.inference.imagejob import Sink
from unetzoo.inference.predictor import Predictor
from unetzoo.metrics import count, reliability


def write_folder(root: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    rows, columns = np.indices((50, 37))
    for i in range(6):
        mask = (rows - 20 - i) ** 2 + (columns - 18) ** 2 < 90
        picture = np.where(mask, 200, 40) + random.integers(0, 30, mask.shape)
        picture[30 + i, 5:20] = 220  # a bright line that is no object
        Image.fromarray(picture.astype(np.uint8)).save(root / "images" / f"p{i}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(root / "masks" / f"p{i}.png")


def discs(root: Path) -> SegmentationData:
    write_folder(root)
    return SegmentationData(
        name="discs",
        root=root,
        images="images",
        masks="masks",
        bands=1,
        classes={"background": 0, "disc": 255},
        normalise={"method": "minmax"},
        patch=[16, 16],
        val_fraction=0.2,
        test_fraction=0.5,
    )


def threshold(batch: np.ndarray) -> np.ndarray:
    """(B, 1, H, W) normalised to 0..1, to one logit."""
    return np.asarray((batch - 0.5) * 20, np.float32)


@pytest.mark.parametrize("flips", [False, True])
def test_a_threshold_is_measured_from_files(tmp_path: Path, flips: bool) -> None:
    data = discs(tmp_path / "set")
    predictor = Predictor(threshold, Contract("threshold", data.spec, "sigmoid", (1, 1), True))
    summary = evaluate(predictor, data, "test", tmp_path / "out", flips=flips)
    line, disc = 15, [int((data.read(case).mask == 1).sum()) for case in data.cases("test")]
    overlap = [
        int((data.read(case).mask[30 + int(case.name[1]), 5:20] == 1).sum()) for case in data.cases("test")
    ]
    expected = [2 * d / (2 * d + line - o) for d, o in zip(disc, overlap, strict=True)]
    assert summary.n_cases == len(disc) == 3
    assert summary.means["dice"]["per_image"] == pytest.approx(np.mean(expected))
    assert summary.means["recall"]["per_image"] == 1
    assert json.loads((tmp_path / "out/summary.json").read_text())["excluded"] == ["background"]
    assert all(case.name in (tmp_path / "out/report.html").read_text() for case in data.cases("test"))


def test_evaluating_by_rows_is_measuring_whole_probabilities(tmp_path: Path) -> None:
    data = discs(tmp_path / "set")
    contract = Contract("t", data.spec, "sigmoid", (1, 1), True, temperature=2.5)
    handed: list[tuple[int, ...]] = []

    class Watched(Predictor):
        def labels(self, image: Whole, *, probabilities: Sink | None = None, **how: Any) -> np.ndarray:
            assert probabilities is not None
            return super().labels(image, probabilities=_Watch(probabilities, handed), **how)

    evaluate(Watched(threshold, contract), data, "test", tmp_path / "out", metrics=["ece", "brier"])
    with (tmp_path / "out/cases.csv").open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    predictor = Predictor(threshold, contract)
    for case in data.cases("test"):
        sample = data.read(case)
        labels, probabilities = predictor.predict(sample.image)
        counts = count(labels, sample.mask, 2)
        trust = reliability(probabilities[1], sample.mask == 1)
        row = rows[case.name]
        found = [int(row[name]) for name in ("tp", "fp", "fn")]
        assert found == [counts.tp[1], counts.fp[1], counts.fn[1]]
        assert (float(row["ece"]), float(row["brier"])) == pytest.approx((trust.ece, trust.brier), rel=1e-5)
    assert max(rows for _, rows, _ in handed) <= 16  # a band of tiles, never the image
    assert len(handed) > 3 * 2


class _Watch:
    def __init__(self, to: Sink, shapes: list[tuple[int, ...]]) -> None:
        self.to, self.shapes = to, shapes

    def append(self, piece: np.ndarray) -> None:
        self.shapes.append(piece.shape)
        self.to.append(piece)
