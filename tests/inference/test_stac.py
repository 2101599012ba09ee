"""STAC items of local files as images, alone and by the folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetzoo.datasets import Case, read_case
from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation, Predictor, read_image
from unetzoo.inference.files import FileError
from unetzoo.inference.image import find_images

BANDS = np.arange(3 * 20 * 24, dtype=np.uint16).reshape(3, 20, 24)
NAMES = {"B02": "blue", "B03": "green", "B04": "red"}


def item(path: Path, assets: dict[str, Any]) -> Path:
    told = {"type": "Feature", "stac_version": "1.0.0", "id": path.stem, "geometry": None, "assets": assets}
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def sentinel(geotiff: Callable[..., Path], tmp_path: Path) -> Path:
    """A file per band, a preview, and metadata, as collections of Sentinel-2 have them."""
    (tmp_path / "S2").mkdir()
    assets: dict[str, Any] = {
        "thumbnail": {"href": "./p.png", "type": "image/png", "roles": ["thumbnail"]},
        "granule": {"href": "./g.xml", "type": "application/xml"},
    }
    for band, (key, common) in zip(BANDS, NAMES.items(), strict=True):
        geotiff(band[None], f"S2/{key}.tif")
        about = {"href": f"./{key}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
        assets[common] = {**about, "eo:bands": [{"name": key, "common_name": common}]}
    return item(tmp_path / "S2" / "scene.json", assets)


@pytest.mark.parametrize("names", [("red", "green"), ("B04", "B03")])
def test_bands_are_stacked_by_name(sentinel: Path, names: tuple[str, ...]) -> None:
    image = read_image(sentinel, bands=names)
    np.testing.assert_array_equal(image.data, BANDS[[2, 1]])
    assert image.bands == names
    assert image.unit == "m"


def test_item_with_one_file_of_bands(geotiff: Callable[..., Path], tmp_path: Path) -> None:
    geotiff(BANDS, "a.tif")
    bands = [{"name": n, "eo:common_name": c} for n, c in NAMES.items()]  # as STAC 1.1 has them
    path = item(tmp_path / "a.json", {"data": {"href": "a.tif", "bands": bands}})
    np.testing.assert_array_equal(read_image(path).data, BANDS)
    np.testing.assert_array_equal(read_image(path, bands=("red", "blue")).data, BANDS[[2, 0]])


def test_folder_of_items_is_predicted_and_its_assets_are_not(sentinel: Path, tmp_path: Path) -> None:
    (tmp_path / "S2" / "collection.json").write_text(
        json.dumps({"type": "Collection", "stac_version": "1.0.0"})
    )
    assert find_images(tmp_path / "S2") == [sentinel]
    classes = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("land", "water")))
    data = DataSpec(
        2, ("red", "blue"), classes, Normalisation("fixed", mean=(0.0,) * 2, std=(1.0,) * 2), (8, 8)
    )
    predictor = Predictor(lambda x: x - 700, Contract("t", data, "softmax", (1, 1), True))
    (outcome,) = predictor.predict_files([tmp_path / "S2"], tmp_path / "out")
    assert outcome.target == tmp_path / "out" / "scene.tif"
    sample = read_case(Case("scene", sentinel, outcome.target, "scene"), data)
    np.testing.assert_array_equal(sample.x, BANDS[[2, 0]])
    assert not sample.mask.any()  # red is larger everywhere


def test_what_an_item_cannot_give_is_refused(
    sentinel: Path, geotiff: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=r"scene\.json: has the bands B02, B03, B04 but not nir"):
        read_image(sentinel, bands=("red", "nir"))
    with pytest.raises(FileError, match=r"has the assets blue, green, red; say in data\.bands"):
        read_image(sentinel)
    geotiff(BANDS[:1, ::2, ::2], "S2/B03.tif")
    with pytest.raises(
        FileError, match=r"B04\.tif \(20 x 24\) and B03\.tif \(10 x 12\) lie on different grids"
    ):
        read_image(sentinel, bands=("red", "green"))
    away = item(tmp_path / "far.json", {"data": {"href": "s3://bucket/a.tif", "type": "image/tiff"}})
    with pytest.raises(FileError, match="its asset data is not here"):
        read_image(away)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(FileError, match="is no STAC item"):
        read_image(tmp_path / "other.json")
