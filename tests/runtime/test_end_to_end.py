from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest
import rasterio
from rasterio.transform import Affine

from unetzoo.inference import DataSpec, Normalisation, Predictor

Run = Callable[..., Any]
MakeModel = Callable[..., Path]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A picture and a turned GeoTIFF with no data, both with three bands."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "in"
    folder.mkdir()
    picture = rng.integers(0, 256, (45, 31, 3), dtype=np.uint8)
    PIL.Image.fromarray(picture).save(folder / "picture.png")
    scene = rng.integers(1, 256, (3, 37, 53)).astype(np.int16)
    scene[:, :9, 20:] = -32768
    turned = Affine.translation(4e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -2)
    with rasterio.open(
        folder / "scene.tif",
        "w",
        driver="GTiff",
        count=3,
        height=37,
        width=53,
        dtype="int16",
        crs="EPSG:32632",
        transform=turned,
        nodata=-32768,
    ) as target:
        target.write(scene)
    return folder


def test_pictures_and_scenes_as_in_the_library(
    run: Run, model: MakeModel, data: DataSpec, inputs: Path, tmp_path: Path
) -> None:
    path = model(data)
    done = run(path, inputs, "-o", tmp_path / "out", "--probabilities", "--threads", 1, "--flips")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"2 of 2 predicted, results in {tmp_path / 'out'}\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "picture.png",
        "picture_probabilities.npy",
        "scene.tif",
        "scene_probabilities.tif",
    ]

    Predictor.from_onnx(path).predict_files([inputs], tmp_path / "here", flips=True, probabilities=True)
    for written in (tmp_path / "out").iterdir():
        assert written.read_bytes() == (tmp_path / "here" / written.name).read_bytes()

    labels = np.asarray(PIL.Image.open(tmp_path / "out" / "picture.png"))
    np.testing.assert_array_equal(labels, np.asarray(PIL.Image.open(inputs / "picture.png")).argmax(axis=-1))
    with (
        rasterio.open(inputs / "scene.tif") as before,
        rasterio.open(tmp_path / "out" / "scene.tif") as after,
    ):
        assert (after.crs, after.transform) == (before.crs, before.transform)
        np.testing.assert_array_equal(after.dataset_mask(), before.dataset_mask())
        inside = before.dataset_mask() > 0
        np.testing.assert_array_equal(after.read(1)[inside], before.read().argmax(axis=0)[inside])


def test_volume_with_oblique_flipped_axes(run: Run, model: MakeModel, data: DataSpec, tmp_path: Path) -> None:
    spec = replace(data, ndim=3, tile=(8, 8, 8), normalisation=Normalisation("zscore"))
    values = np.random.default_rng(0).normal(size=(9, 14, 7, 3)).astype(np.float32)
    affine = np.array([[0.1, -0.9, 0.2, 5], [1.1, 0.1, 0.3, 7], [0, 0.3, -2.0, 9], [0, 0, 0, 1]])
    nifti: Any = nibabel
    nifti.save(nifti.Nifti1Image(values, affine), tmp_path / "v.nii.gz")
    done = run(model(spec), tmp_path / "v.nii.gz", "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    before, after = nifti.load(tmp_path / "v.nii.gz"), nifti.load(tmp_path / "out" / "v.nii.gz")
    assert (after.affine == before.affine).all()
    flat = values.reshape(-1, 3).astype(np.float64)
    scaled = (values - flat.mean(axis=0)) / flat.std(axis=0)
    assert (np.asarray(after.dataobj) == scaled.argmax(axis=-1)).mean() >= 0.9999


@pytest.mark.parametrize(
    ("hidden", "name", "extra"),
    [("PIL", "picture.png", "image"), ("rasterio", "scene.tif", "geo"), ("nibabel", "v.nii", "med")],
)
def test_missing_format_library_is_named_with_its_extra(
    run: Run,
    model: MakeModel,
    data: DataSpec,
    inputs: Path,
    tmp_path: Path,
    hidden: str,
    name: str,
    extra: str,
) -> None:
    (inputs / "v.nii").write_bytes(bytes(400))
    done = run(model(data), inputs / name, "-o", tmp_path / "out", hidden=(hidden,))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"unetzoo-runtime[{extra}]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_runs_as_a_module_and_describes_the_model(run: Run, model: MakeModel, data: DataSpec) -> None:
    path = model(data, licence="CC-BY-4.0", metrics={"val/dice": 0.876})
    code = "import runpy\nrunpy.run_module('unetzoo_runtime', run_name='__main__')"
    done = run(path, "--describe", code=code)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "2D images with 3 band(s): red, green, blue",
        "minus (100.0, 100.0, 100.0), divided by (50.0, 50.0, 50.0); 0 to 255 in training",
        "16 x 16 pixels, 25% overlap, gaussian blending",
        "one of 3 classes per pixel",
        "1          leaf",
        "CC-BY-4.0",
        "val/dice = 0.876",
    ):
        assert words in done.stdout
