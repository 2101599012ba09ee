"""Spacing: against scipy, MONAI and torch, and back on the original grid."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import scipy.ndimage
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.spatial.array import Resize, Spacing
from rasterio.transform import Affine

from unetzoo.datasets import Case, SegmentationData, read_case
from unetzoo.datasets.reader import at_spacing
from unetzoo.inference import (
    ClassSpec,
    Contract,
    DataSpec,
    Image,
    Normalisation,
    Predictor,
    read_image,
    read_mask,
)
from unetzoo.inference.geometry import PictureGeometry
from unetzoo.inference.resample import Resampled, grid_size, nearest
from unetzoo.inference.source import ImageSource

nib: Any = nibabel
CLASSES = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "liver")))


def source(data: np.ndarray, valid: np.ndarray | None = None) -> ImageSource:
    valid = np.ones(data.shape[1:], bool) if valid is None else valid
    return ImageSource(Image(data, valid, (), None, "px", PictureGeometry(valid.shape)))


def resampled(data: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    return Resampled(source(data), size).read(0, size[0]).data


@pytest.mark.parametrize("size", [(14, 9, 11), (7, 20, 22), (21, 10, 33)])
def test_finer_grid_is_scipys_linear_zoom(rng: np.random.Generator, size: tuple[int, ...]) -> None:
    volume = rng.normal(size=(7, 9, 11)).astype(np.float32)
    factors = [new / old for new, old in zip(size, volume.shape, strict=True)]
    wanted = scipy.ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(resampled(volume[None], size)[0], wanted, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 8), (11, 30), (40, 7)])
def test_coarser_grid_is_torchs_with_antialiasing(rng: np.random.Generator, size: tuple[int, int]) -> None:
    image = rng.normal(size=(2, 23, 31)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.tensor(image)[None], size, mode="bilinear", antialias=True, align_corners=False
    )
    np.testing.assert_allclose(resampled(image, size), wanted[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("size", [(15, 14, 10), (15, 28, 20)])
def test_anisotropic_volume_is_monais_spacing(rng: np.random.Generator, size: tuple[int, ...]) -> None:
    volume = rng.normal(size=(5, 14, 10)).astype(np.float32)
    spacing = (3.0, 0.7, 0.9)
    wanted = tuple(s * old / new for s, old, new in zip(spacing, volume.shape, size, strict=True))
    theirs = Spacing(wanted, mode="bilinear", padding_mode="border", scale_extent=True)(
        MetaTensor(volume[None], affine=torch.diag(torch.tensor([*spacing, 1.0])))
    )
    np.testing.assert_allclose(resampled(volume[None], size), theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("size", [(15, 7, 6), (3, 28, 10)])
def test_labels_are_the_nearest_of_scipy_and_monai(rng: np.random.Generator, size: tuple[int, ...]) -> None:
    labels = rng.integers(0, 4, (5, 14, 10)).astype(np.uint8)
    factors = [new / old for new, old in zip(size, labels.shape, strict=True)]
    scipys = scipy.ndimage.zoom(labels, factors, order=0, mode="nearest", grid_mode=True)
    monais = Resize(size, mode="nearest-exact")(MetaTensor(labels[None].astype(np.float32))).numpy()[0]
    np.testing.assert_array_equal(nearest(labels, size), monais)
    # where a centre falls between two pixels, either is the nearest
    z, y, x = ((np.arange(n) + 0.5) * old / n % 1 == 0 for n, old in zip(size, labels.shape, strict=True))
    clear = ~(z[:, None, None] | y[:, None] | x)
    np.testing.assert_array_equal(nearest(labels, size)[clear], scipys[clear])


def test_pieces_are_the_whole(rng: np.random.Generator) -> None:
    for size in ((40, 7), (9, 30)):
        image = rng.normal(size=(2, 23, 11)).astype(np.float32)
        valid = rng.random((23, 11)) > 0.2
        whole = Resampled(source(image, valid), size).read(0, size[0])
        grid = Resampled(source(image, valid), size)
        parts = [grid.read(a, min(a + 4, size[0])) for a in range(0, size[0], 4)]
        np.testing.assert_allclose(np.concatenate([p.data for p in parts], axis=1), whole.data, atol=1e-6)
        np.testing.assert_array_equal(np.concatenate([p.valid for p in parts]), whole.valid)
        known = [grid.known(n) for n in (5, 11, 7)]
        np.testing.assert_array_equal(np.concatenate(known), valid)


def test_pixels_without_data_count_for_nothing() -> None:
    image = np.full((1, 8, 8), 5, np.float32)
    image[0, 2:6, 2:5] = np.nan
    found = Resampled(source(image, np.isfinite(image[0])), (12, 12)).read(0, 12)
    np.testing.assert_allclose(found.data[0][found.valid], 5, rtol=1e-6)
    assert 0 < (~found.valid).sum() < 40


def volume(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    """A ball of 6 mm in voxels of 1 x 1.5 x 4 mm, turned, and its mask."""
    x, y, z = np.meshgrid(np.arange(24), np.arange(18) * 1.5, np.arange(6) * 4.0, indexing="ij")
    ball = (((x - 12) ** 2 + (y - 13) ** 2 + (z - 10) ** 2) < 64).astype(np.float32)
    affine = np.diag([-1, 1.5, 4, 1.0])[[1, 0, 2, 3]]
    nib.save(nib.Nifti1Image(ball * 100, affine), tmp_path / "v.nii.gz")
    nib.save(nib.Nifti1Image(ball.astype(np.uint8), affine), tmp_path / "m.nii.gz")
    return tmp_path / "v.nii.gz", tmp_path / "m.nii.gz", ball


def spec(**changes: Any) -> DataSpec:
    values: dict[str, Any] = {
        "ndim": 3,
        "bands": ("grey",),
        "classes": CLASSES,
        "normalisation": Normalisation("fixed", mean=(50.0,), std=(10.0,)),
        "tile": (8,) * 3,
        "resample": (2.0,) * 3,
    }
    return DataSpec(**{**values, **changes})


def predictor(data: DataSpec, seen: list[tuple[int, ...]] | None = None) -> Predictor:
    def network(x: np.ndarray) -> np.ndarray:
        if seen is not None:
            seen.append(x.shape)
        return np.concatenate([-x, x], axis=1)

    return Predictor(network, Contract("t", data, "softmax", (1,) * data.ndim, True))


def test_prediction_comes_back_on_the_grid_of_the_file(tmp_path: Path) -> None:
    path, _, ball = volume(tmp_path)
    model = predictor(spec())
    target = model.predict_file(path, tmp_path / "out.nii.gz", probabilities=True)
    found, before = nib.load(target), nib.load(path)
    assert found.shape == before.shape
    np.testing.assert_array_equal(found.affine, before.affine)
    labels = found.get_fdata() > 0
    assert 2 * (labels & (ball > 0)).sum() / (labels.sum() + ball.sum()) > 0.85
    image = read_image(path)
    np.testing.assert_array_equal(read_mask(target, like=image), model.labels(image))
    probabilities = read_image(tmp_path / "out_probabilities.nii.gz").data
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=0), model.labels(image))


def test_training_sees_what_prediction_sees(tmp_path: Path) -> None:
    path, mask, ball = volume(tmp_path)
    data = spec(normalisation=Normalisation("percentile"), tile=(12, 12, 14))
    sample = read_case(Case("v", path, mask, "v"), data)
    x, reference = at_spacing(sample, data, "v")
    assert x.shape[1:] == reference.shape == (12, 12, 14)  # 24 x 24 x 27 mm
    fed: list[np.ndarray] = []

    def network(seen: np.ndarray) -> np.ndarray:
        fed.append(seen)
        return np.concatenate([-seen, seen], axis=1)

    Predictor(network, Contract("t", data, "softmax", (1, 1, 1), True)).labels(sample.image)
    np.testing.assert_allclose(fed[0][0], x, atol=1e-6)
    assert abs(int((reference == 1).sum()) * 8 - ball.sum() * 6) < 0.2 * ball.sum() * 6  # mm3


@pytest.mark.parametrize(
    ("place", "gsd", "size"),
    [
        ({"transform": Affine(10, 0, 500000, 0, -10, 5300000)}, 20.0, (20, 30)),
        ({"transform": Affine(10, 0, 500000, 0, -10, 5300000)}, 10.05, (40, 60)),  # near enough
        (
            {"crs": "EPSG:3857", "transform": Affine(20, 0, 0, 0, -20, 8399738)},
            10.0,
            (40, 60),
        ),  # at 60 degrees
        ({"crs": "EPSG:4326", "transform": Affine(2e-4, 0, 9, 0, -1e-4, 60)}, 11.14, (40, 60)),
    ],
)
def test_ground_sample_distance_is_measured_on_the_ground(
    geotiff: Callable[..., Path], place: dict[str, Any], gsd: float, size: tuple[int, ...]
) -> None:
    path = geotiff(np.zeros((1, 40, 60), np.uint8), **place)
    wanted = spec(ndim=2, tile=(8, 8), resample=(gsd, gsd))
    assert grid_size(ImageSource(read_image(path)), wanted, "scene") == size


def test_raster_comes_back_with_its_holes(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    values = np.zeros((1, 60, 40), np.int16)
    values[0, 10:30, 5:35], values[0, 40:52, 8:20] = 100, -1
    path = geotiff(values, nodata=-1)
    seen: list[tuple[int, ...]] = []
    for gsd, shape in ((25.0, (8, 8)), (4.0, (8, 8))):
        model = predictor(spec(ndim=2, tile=(8, 8), resample=(gsd, gsd)), seen)
        labels = read_mask(model.predict_file(path, tmp_path / "out.tif"))
        np.testing.assert_array_equal(labels == 255, values[0] == -1)
        assert seen[-1][2:] == shape
        known = labels != 255
        assert ((labels == 1) == (values[0] == 100))[known].mean() > 0.97
        assert model.memory(path) > 0


def test_image_that_says_nothing_of_its_spacing_is_refused(
    geotiff: Callable[..., Path], tmp_path: Path
) -> None:
    path = geotiff(np.zeros((1, 9, 9), np.uint8), crs=None, transform=None)
    with pytest.raises(ValueError, match=r"scene\.tif: says nothing of the size of its pixels.* 2 x 2 m"):
        predictor(spec(ndim=2, tile=(8, 8), resample=(2.0, 2.0))).predict_file(path, tmp_path / "out.tif")


def test_contract_carries_the_spacing_and_leaves_it_out_where_there_is_none() -> None:
    data = spec()
    assert DataSpec.from_dict(data.to_dict()) == data
    assert "resample" not in spec(resample=None).to_dict()
    with pytest.raises(ValueError, match="spacing"):
        spec(resample=(1.0, 1.0))


def test_config_names_the_spacing_of_its_kind_of_images(tmp_path: Path) -> None:
    volume(tmp_path)
    (tmp_path / "m.csv").write_text("image,mask,split\nv.nii.gz,m.nii.gz,train\n")
    made: dict[str, Any] = {
        "manifest": tmp_path / "m.csv",
        "classes": {"background": 0, "liver": 1},
        "val_fraction": 0,
    }
    data = SegmentationData(**made, test_fraction=0, spacing=[2, 2, 2], batch_size=1, cache=False)
    assert data.spec.resample == (2, 2, 2)
    assert data.spec.tile == (16, 16, 16)  # over 12 x 12 x 14 voxels
    (batch,) = data.train_dataloader()
    assert batch["image"].shape[2:] == (16, 16, 16)
    for wrong in ({"gsd": 2.0}, {"spacing": [1.0, 1.0]}):
        with pytest.raises(ValueError, match=r"data\.(gsd|spacing)"):
            _ = SegmentationData(**made, test_fraction=0, **wrong).spec
