"""Target images: found by the manifest, on the image's grid, and moved with it without changing values."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from unetzoo.datasets import SegmentationData
from unetzoo.datasets.augment import Augment2d, Augment3d

RECIPES = Path(__file__).parents[2] / "configs" / "augment"


def recipe(name: str) -> Any:
    return yaml.safe_load((RECIPES / f"{name}.yaml").read_text())["transforms"]


def smooth(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A smooth image in -1..1 and a target a thousand times it, unknown in a corner."""
    waves = [np.sin(np.arange(n) / 6 + k) for k, n in enumerate(shape)]
    x = reduce(np.multiply.outer, waves).astype(np.float32)[None]
    target = 1000 * x
    target[(slice(None), *[slice(0, 5)] * len(shape))] = np.nan
    return x, target


GEOMETRY: dict[str, Any] = {
    "light": [{"D4": {"p": 1.0}}, {"Affine": {"rotate": [10, 15], "p": 1.0}}],
    "elastic2d": [{"ElasticTransform": {"alpha": 30, "sigma": 6, "border_mode": 4, "p": 1.0}}],
    "volume": [
        {
            "RandAffined": {
                "keys": ["image", "mask"],
                "mode": ["bilinear", "nearest"],
                "padding_mode": "zeros",
                "rotate_range": [0.2, 0.2, 0.2],
                "prob": 1.0,
            }
        }
    ],
    "elastic3d": [
        {"RandElasticd": {"keys": ["image", "mask"], "mode": ["bilinear", "nearest"], "prob": 1.0}}
    ],
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_targets_are_interpolated_as_images_are(name: str) -> None:
    three = name in ("volume", "elastic3d")
    x, target = smooth((16, 20, 24) if three else (48, 48))
    augment = (Augment3d if three else Augment2d)(GEOMETRY[name])
    for seed in range(4):
        y, moved = augment(x, target, seed)
        known = np.isfinite(moved)
        assert 0.3 < known.mean() < 1
        # OpenCV knows 32 places between pixels; the nearest value would be off by up to 80 per axis
        np.testing.assert_allclose(moved[known], 1000 * y[known], atol=15)


@pytest.mark.parametrize("name", ["light", "medical", "aerial", "microscopy", "volume", "elastic"])
def test_recipes_leave_the_targets_values_alone(name: str) -> None:
    three = name in ("volume", "elastic")
    x, _ = smooth((16, 20, 24) if three else (48, 48))
    augment = (Augment3d if three else Augment2d)(recipe(name))
    constant = np.full((2, *x.shape[1:]), 70.0, np.float32)
    for seed in range(6):
        y, moved = augment(x, constant, seed)
        assert y.shape == x.shape
        np.testing.assert_allclose(moved[np.isfinite(moved)], 70, rtol=2e-3)
        again = augment(x, constant, seed)
        np.testing.assert_array_equal(again[1], moved)


def manifest(root: Path, header: str, *rows: str) -> SegmentationData:
    import rasterio

    for factor, (name, size) in enumerate([("b", (20, 22)), ("a", (20, 22)), ("small", (18, 22))], 2):
        shape = {"height": size[0], "width": size[1], "count": 1, "dtype": "float32"}
        with rasterio.open(root / f"{name}.tif", "w", driver="GTiff", **shape) as file:
            file.write(np.arange(size[0] * size[1], dtype=np.float32).reshape(size) * factor, 1)
    (root / "manifest.csv").write_text("\n".join([header, *rows]))
    target = {"bands": ["ct"], "unit": "HU"}
    return SegmentationData(root=root, manifest="manifest.csv", target=target, allow=["duplicates"])


def test_scale_comes_from_the_training_targets(tmp_path: Path) -> None:
    data = manifest(tmp_path, "image,target,split", "a.tif,b.tif,train", "b.tif,a.tif,val")
    assert data.check() == []
    target = data.spec.target
    assert target is not None
    values = np.arange(20 * 22) * 2.0
    assert target.mean == pytest.approx([values.mean()])
    assert target.std == pytest.approx([values.std()])
    assert target.value_range == (0, values.max())
    assert (target.bands, target.unit, data.spec.classes) == (("ct",), "HU", ())


def test_what_is_wrong_with_targets_is_said(tmp_path: Path) -> None:
    data = manifest(tmp_path, "image,target,split", "a.tif,small.tif,train", "b.tif,,val", "a.tif,x.tif,val")
    problems = "\n".join(data.check())
    assert "line 3: b.tif has no target" in problems
    assert "the target" in problems
    assert "x.tif does not exist" in problems
    assert "small.tif: the target's size is (18, 22) but its image's is (20, 22)" in problems
    with pytest.raises(ValueError, match=r"data\.target needs data\.manifest"):
        SegmentationData(images="a", masks="b", target={"bands": ["ct"]})
