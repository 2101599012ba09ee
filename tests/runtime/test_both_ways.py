"""The same model through ``unetzoo predict`` with torch and through ``unetzoo-infer`` without."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine, xy

import unetzoo
from unetzoo.cli import main
from unetzoo.inference import ClassSpec, DataSpec, Normalisation
from unetzoo.unet import UNet

Run = Callable[..., Any]
nib: Any = nibabel  # its annotations are partial

TURNED = Affine.translation(4e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -2)
OBLIQUE = np.array([[0.9, -0.1, 0.2, -30], [0.15, -1.1, 0.1, 20], [-0.1, 0.2, 1.4, 7], [0, 0, 0, 1]])
FLIPPED = np.array([[0, 0, -1.5, 60], [-1, 0, 0, 40], [0, -1.2, 0, 25], [0, 0, 0, 1]], float)


def spec(ndim: int) -> DataSpec:
    classes = (ClassSpec("rest", (0,), (0, 0, 0)), ClassSpec("marker", (1,), (255, 0, 0)))
    how = Normalisation("fixed", mean=(0.0,), std=(1.0,))
    return DataSpec(ndim, ("grey",), classes, how, (16,) * ndim, value_range=(0.0, 1000.0))


def small(ndim: int) -> UNet:
    torch.manual_seed(0)
    widths = {
        "encoder.channels": [4, 8],
        "decoder.channels": [4, 8, 8],
        "encoder.norm": None,
        "decoder.norm": None,
    }
    model = unetzoo.create_model(
        "unet", encoder=f"conv{ndim}d", in_channels=1, overrides={**widths, "encoder.activation": "relu"}
    )
    model.data = spec(ndim)
    return model.eval()


def marking(ndim: int) -> UNet:
    """A U-Net whose weights are set so that a pixel above 500 is the marker, wherever it lies."""
    model = small(ndim)
    centre = (1,) * ndim
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        for block in (model.encoder.get_submodule("stages.0"), model.decoder.get_submodule("blocks.0")):
            for layer in block.children():
                if hasattr(layer, "weight"):
                    layer.get_parameter("weight")[(0, 0, *centre)] = 1.0
        head = model.heads[0].get_submodule("conv")
        head.get_parameter("weight")[(1, 0, *centre)] = 1.0
        head.get_parameter("bias")[0] = 500.0
    return model


def both(model: UNet, source: Path, folder: Path, run: Run, size: str) -> tuple[Path, Path]:
    """The label maps of the two ways."""
    model.save_pretrained(folder / "model")
    assert (
        main(["export", f"ckpt={folder / 'model'}", f"out={folder / 'model.onnx'}", f"dynamic={size}"]) == 0
    )
    assert main(["predict", f"ckpt={folder / 'model'}", f"inputs={source}", f"out={folder / 'torch'}"]) == 0
    done = run(folder / "model.onnx", source, "-o", folder / "onnx")
    assert done.returncode == 0, done.stderr
    return folder / "torch" / source.name, folder / "onnx" / source.name


@pytest.mark.parametrize("affine", [OBLIQUE, FLIPPED], ids=["oblique", "flipped"])
def test_marker_voxel_stays_where_it_is_in_the_world(affine: np.ndarray, tmp_path: Path, run: Run) -> None:
    values = np.zeros((21, 34, 18), np.float32)
    marker = (4, 29, 11)
    values[marker] = 1000
    source = tmp_path / "scan.nii.gz"
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, 2)
    nib.save(image, source)
    for target in both(marking(3), source, tmp_path, run, "false"):
        found = nib.load(target)
        assert np.array_equal(found.affine, nib.load(source).affine)
        assert found.header.get_zooms()[:3] == nib.load(source).header.get_zooms()[:3]
        assert found.shape == values.shape
        assert [tuple(v) for v in np.argwhere(np.asarray(found.dataobj) == 1)] == [marker]


def test_marker_pixel_of_a_turned_raster_stays_where_it_is_in_the_world(tmp_path: Path, run: Run) -> None:
    values = np.zeros((1, 45, 61), np.int16)
    values[0, 37, 8] = 1000
    values[0, :5, 50:] = -32768
    source = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 45, "width": 61, "dtype": "int16", "nodata": -32768}
    with rasterio.open(source, "w", crs="EPSG:32632", transform=TURNED, **profile) as sink:
        sink.write(values)
    for target in both(marking(2), source, tmp_path, run, "true"):
        with rasterio.open(source) as given, rasterio.open(target) as found:
            assert (found.crs, found.transform, found.shape) == (given.crs, given.transform, given.shape)
            assert np.array_equal(found.dataset_mask(), given.dataset_mask())
            (pixel,) = np.argwhere(found.read(1) == 1)
            assert xy(found.transform, *pixel) == xy(given.transform, 37, 8)


@pytest.mark.parametrize("ndim", [2, 3])
def test_both_ways_agree_on_all_but_one_pixel_in_ten_thousand(ndim: int, tmp_path: Path, run: Run) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (150, 137) if ndim == 2 else (40, 45, 33))
    model = small(ndim)
    with torch.no_grad():  # without norms the scale of the input decides; bring both classes into play
        tile = torch.from_numpy(values[None, None].astype(np.float32))
        logits = model(tile)
        model.heads[0].get_submodule("conv").get_parameter("bias")[0] += (
            logits[:, 1] - logits[:, 0]
        ).median()
    if ndim == 2:
        source = tmp_path / "scene.tif"
        shape = {"height": values.shape[0], "width": values.shape[1]}
        with rasterio.open(
            source, "w", driver="GTiff", count=1, dtype="int16", transform=TURNED, **shape
        ) as sink:
            sink.write(values[None].astype(np.int16))
    else:
        source = tmp_path / "scan.nii.gz"
        nib.save(nib.Nifti1Image(values.astype(np.int16), OBLIQUE), source)
    one, other = (_labels(path) for path in both(model, source, tmp_path, run, "true"))
    assert 0.1 < (one == 1).mean() < 0.9
    assert (one == other).mean() >= 0.9999


def _labels(path: Path) -> np.ndarray:
    if path.suffix == ".tif":
        with rasterio.open(path) as found:
            return np.asarray(found.read(1))
    return np.asarray(nib.load(path).dataobj)
