import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def spec() -> Callable[..., DataSpec]:
    """Three bands, three classes, tiles of 16 unless told otherwise."""

    def make(**changes: Any) -> DataSpec:
        classes = changes.pop("classes", ("background", "leaf", "stem"))
        values: dict[str, Any] = {
            "ndim": 2,
            "bands": ("red", "green", "blue"),
            "normalisation": Normalisation("fixed", mean=(0.0,) * 3, std=(1.0,) * 3),
            "tile": (16, 16),
        }
        colours = [(0, 0, 0), (200, 30, 0), (0, 90, 255)]
        values["classes"] = tuple(ClassSpec(name, (i,), colours[i]) for i, name in enumerate(classes))
        return DataSpec(**{**values, **changes})

    return make


@pytest.fixture
def contract(spec: Callable[..., DataSpec]) -> Callable[..., Contract]:
    def make(data: DataSpec | None = None, **changes: Any) -> Contract:
        data = data or spec()
        values: dict[str, Any] = {
            "name": "tiny",
            "activation": "softmax",
            "divisor": (1,) * data.ndim,
            "dynamic_size": True,
        }
        return Contract(data=data, **{**values, **changes})

    return make


@pytest.fixture
def geotiff(tmp_path: Path) -> Callable[..., Path]:
    """A GeoTIFF of bands (C, H, W); keywords go to rasterio (None: its own default), names to the bands."""

    def make(bands: np.ndarray, name: str = "scene.tif", names: tuple[str, ...] = (), **profile: Any) -> Path:
        path = tmp_path / name
        given: dict[str, Any] = {
            "crs": "EPSG:32633",
            "transform": Affine(10, 0, 500000, 0, -10, 5300000),
            "photometric": "minisblack",
            **profile,
        }
        given = {key: value for key, value in given.items() if value is not None}
        shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            target = rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype.name, **shape, **given)
        with target:
            target.write(bands)
            for i, described in enumerate(names, start=1):
                target.set_band_description(i, described)
        return path

    return make
