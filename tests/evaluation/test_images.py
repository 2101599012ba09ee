"""Predicted images of scenes: what is read, predicted and compared by rows has the errors of the whole."""

import base64
import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow

from unetzoo.cli import main
from unetzoo.datasets import SegmentationData, pairs, scenes
from unetzoo.evaluation import evaluate_images
from unetzoo.evaluation.differences import HIGH, LOW, UNKNOWN, ZERO, Compared, views
from unetzoo.inference import Predictor
from unetzoo.inference.contract import Contract, DataSpec, ImageTarget, Normalisation
from unetzoo.inference.geometry import Image, PictureGeometry
from unetzoo.inference.source import ImageSource

SIZE = (75, 90)
PLACE = rasterio.Affine(2, 0, 4e5, 0, -2, 5e6)


def write(path: Path, values: np.ndarray, nodata: float | None = None, **changes: Any) -> None:
    shape = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    place = {"crs": "EPSG:32633", "transform": PLACE, "nodata": nodata, **changes}
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **shape, **place) as file:
        file.write(values)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., SegmentationData]:
    """A scene, and a window of it: two bands to be made of three, holes in all of it, and a body mask."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 3000, (3, *SIZE)).astype(np.uint16)
    image[:, :9] = 0
    image[:, 30:34, 50:] = 0
    smooth = image.cumsum(2)[:2] / image.cumsum(2).max()
    target = (400 * smooth - 100 + rng.normal(0, 9, (2, *SIZE))).astype(np.float32)
    target[0, 50:53, 10:20] = np.nan
    body = np.ones((1, *SIZE), np.uint8)
    body[:, :, 80:] = 0
    write(tmp_path / "image.tif", image, nodata=0)
    write(tmp_path / "target.tif", target)
    write(tmp_path / "body.tif", body)
    (tmp_path / "m.csv").write_text(
        "image,target,mask,split,name,window\n"
        "image.tif,target.tif,body.tif,test,whole,\n"
        "image.tif,target.tif,,test,window,6 5 61 70\n"
    )

    def make(**options: Any) -> SegmentationData:
        target_of: dict[str, Any] = {"bands": ["x", "y"], "unit": "K"}
        return SegmentationData(root=tmp_path, manifest="m.csv", target=target_of, patch=[32, 32], **options)

    return make


def predictor(data: SegmentationData) -> Predictor:
    """A network of pixels, whose answer depends on what each window is given."""

    def network(batch: np.ndarray) -> np.ndarray:
        return np.stack([np.tanh(batch.sum(1)), batch[:, 0] - batch[:, 2]], axis=1).astype(np.float32)

    return Predictor(network, Contract("pixels", data.spec, "none", (1, 1), True))


@pytest.mark.parametrize(
    "options", [{}, {"gsd": 3.0, "normalise": {"method": "zscore"}}], ids=["", "resampled"]
)
def test_scenes_by_rows_have_the_errors_of_the_whole(
    options: dict[str, Any],
    made: Callable[..., SegmentationData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = made(**options)
    whole = evaluate_images(predictor(data), data, "test", tmp_path / "whole", flips=True)
    assert whole.n_cases == 2
    assert 0 < whole.means["ssim"] < 1
    monkeypatch.setattr(scenes, "LARGE", 61 * 70)
    monkeypatch.setattr(pairs, "read_case", None)  # nobody asks for a whole case
    rows = evaluate_images(predictor(data), data, "test", tmp_path / "rows", flips=True)
    assert rows.means == pytest.approx(whole.means, rel=1e-6)
    tables = [list(csv.reader((tmp_path / name / "cases.csv").open())) for name in ("whole", "rows")]
    for one, other in zip(*tables, strict=True):
        assert one[:2] == other[:2]
        assert one[0] == "case" or [*map(float, one[2:])] == pytest.approx([*map(float, other[2:])], rel=1e-5)
    pages = [(tmp_path / name / "report.html").read_text() for name in ("whole", "rows")]
    pictures = [re.findall(r"data:image/\w+;base64,[^'\"]+", page) for page in pages]
    assert len(pictures[0]) == 2 * 4
    assert pictures[0] == pictures[1]


def test_predicted_images_are_compared_by_their_errors(
    made: Callable[..., SegmentationData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    data = made()
    plain = evaluate_images(predictor(data), data, "test", tmp_path / "a")
    turned = evaluate_images(predictor(data), data, "test", tmp_path / "b", flips=True)
    assert main(["compare", "a", "b"]) == 0
    found = json.loads(Path("comparison/comparison.json").read_text())
    assert found["metric"] == "mae_K"
    assert found["lower_is_better"]
    assert found["pairs"][0]["difference"] == pytest.approx(
        turned.means["mae"] - plain.means["mae"], rel=1e-4
    )
    assert "empty masks" not in Path("comparison/comparison.html").read_text()
    assert main(["compare", "a", "b", "metric=psnr"]) == 0
    assert not json.loads(Path("comparison/comparison.json").read_text())["lower_is_better"]
    assert main(["compare", "a", "b", "metric=dice"]) == 2
    assert "it has mae_K, psnr, ssim\n" in capsys.readouterr().err


def test_rows_of_a_target_are_those_of_the_sample(
    made: Callable[..., SegmentationData], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made()
    monkeypatch.setattr(scenes, "LARGE", 1)
    for case in data.cases("test"):
        sample = data.read(case)
        with data.pair(case) as pair:
            assert pair.image.size == sample.image.valid.shape
            for first, last in ((0, 1), (20, 45), (60, 61)):
                found = pair.target(first, last)
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found, sample.reference[:, first:last])
                np.testing.assert_array_equal(
                    pair.image.read(first, last).data, sample.image.data[:, first:last]
                )


@pytest.mark.parametrize("size", [(7, 9), (1500, 2100), (5, 8, 6)])
def test_pictures_of_rows_are_those_of_the_whole(size: tuple[int, ...]) -> None:
    whole = np.random.default_rng(0).random((2, *size), np.float32)
    for axis, view in enumerate(views(size)):
        parts = [view.of(whole[:, first : first + 3], first) for first in range(0, size[0], 3)]
        found = np.concatenate(parts, axis=1)
        if len(size) == 3:
            np.testing.assert_array_equal(found.squeeze(axis + 1), whole.take(size[axis] // 2, axis + 1))
        else:
            step = -(-max(size) // 1024)
            np.testing.assert_array_equal(found, whole[:, ::step, ::step])


def test_errors_are_signed_and_unknown_where_there_is_no_target() -> None:
    spec = DataSpec(
        ndim=2,
        bands=("mr",),
        normalisation=Normalisation("zscore"),
        classes=(),
        tile=(8, 8),
        target=ImageTarget(("ct",), (0.0,), (1.0,), (-1000.0, 3000.0), "HU"),
    )
    target = np.zeros((1, 64, 64), np.float32)
    target[:, :8] = np.nan
    prediction = np.zeros_like(target)
    prediction[:, 16:32], prediction[:, 32:48], prediction[:, 56:] = 50, -50, np.inf
    compared = Compared((64, 64))
    compared.add(prediction, target, 0)
    (panel,) = compared.draw(
        ImageSource(Image(target, np.ones((64, 64), bool), (), None, "px", PictureGeometry((64, 64)))), spec
    )
    assert panel.caption == "errors from -50 (blue) to +50 HU (red)"
    layer = Pillow.open(io.BytesIO(base64.b64decode(panel.errors.partition(",")[2]))).convert("RGBA")
    colours = np.asarray(layer.resize((64, 64), Pillow.Resampling.NEAREST))[:, 5]
    assert [tuple(colours[row]) for row in (4, 12, 24, 40, 60)] == [
        UNKNOWN,
        (*ZERO, 255),
        (*HIGH, 255),
        (*LOW, 255),
        UNKNOWN,
    ]


@pytest.mark.parametrize(("kind", "size"), [("target", (60, 90)), ("body", (75, 95))])
def test_files_of_another_size_or_place_are_refused(
    kind: str,
    size: tuple[int, int],
    made: Callable[..., SegmentationData],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = made()
    case = data.cases("test")[0]
    assert data.spec.target is not None  # found before the files are changed
    monkeypatch.setattr(scenes, "LARGE", 1)
    blank = np.ones((2 if kind == "target" else 1, *size), np.float32 if kind == "target" else np.uint8)
    write(tmp_path / f"{kind}.tif", blank)
    with pytest.raises(ValueError, match=rf"{kind}\.tif: the .* size is"), data.pair(case):
        pass
    write(
        tmp_path / f"{kind}.tif", np.resize(blank, (len(blank), *SIZE)), transform=PLACE.translation(900, 0)
    )
    with pytest.raises(ValueError, match=rf"{kind}\.tif: the .* lies elsewhere"), data.pair(case):
        pass
    with (
        pytest.raises(ValueError, match="does not lie within"),
        data.pair(replace(case, mask=None, window=(slice(40, 101), slice(0, 90)))),
    ):
        pass
