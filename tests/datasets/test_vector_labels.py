"""Masks of polygons against the same masks as pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.inference.files import FileError
from unetzoo.inference.vector import moved

GEO: Any = geopandas
PLACE = Affine(0.5, 0, 500000, 0, -0.5, 5300000)


def scene(path: Path, crs: str | None = "EPSG:32633", transform: Affine | None = PLACE) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (1, 40, 60)).astype(np.uint8)
    given = {"crs": crs, "transform": transform} if crs else {}
    with rasterio.open(
        path, "w", driver="GTiff", width=60, height=40, count=1, dtype="uint8", **given
    ) as out:
        out.write(pixels)
    return path


def boxes(*pixels: tuple[int, int, int, int]) -> list[Any]:
    """Rectangles (row, column, row, column) of the scene in its CRS; the first has a hole of 4 x 4 pixels."""
    found = []
    for i, (top, left, bottom, right) in enumerate(pixels):
        outline: Any = shapely.box(left, top, right, bottom)
        if i == 0:
            outline -= shapely.box(left + 2, top + 2, left + 6, top + 6)
        found.append(shapely.transform(outline, lambda at: moved(at, PLACE)))
    return found


def save(path: Path, shapes: Sequence[Any], names: Sequence[Any], crs: str | None = "EPSG:32633") -> Path:
    frame = GEO.GeoDataFrame({"kind": list(names)}, geometry=list(shapes), crs="EPSG:32633" if crs else None)
    (frame.to_crs(crs) if crs else frame).to_file(path)
    return path


def data(root: Path, mask: Path, **options: Any) -> SegmentationData:
    (root / "m.csv").write_text(f"image,mask,split\nscene.tif,{mask.name},train\n")
    return SegmentationData(manifest=root / "m.csv", val_fraction=0, test_fraction=0, **options)


def read(found: SegmentationData) -> np.ndarray:
    return found.read(found.cases("train")[0]).mask


def wanted() -> np.ndarray:
    ids = np.zeros((40, 60), np.uint8)
    ids[5:20, 10:30] = 1
    ids[7:11, 12:16] = 0
    ids[25:35, 40:58] = 2
    return ids


SHAPES = ((5, 10, 20, 30), (25, 40, 35, 58))


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:3857"])
@pytest.mark.parametrize("ending", [".gpkg", ".geojson"])
def test_polygons_are_burnt_where_they_lie(tmp_path: Path, crs: str, ending: str) -> None:
    scene(tmp_path / "scene.tif")
    mask = save(tmp_path / f"labels{ending}", boxes(*SHAPES), ["house", "road"], crs)
    named = {"background": 0, "house": 1, "road": 2}
    for classes in (named, None):  # names are found in the file, too, in their order
        found = data(tmp_path, mask, classes=classes, vector={"attribute": "kind"})
        assert [c.name for c in found.spec.classes] == [*named]
        np.testing.assert_array_equal(read(found), wanted())
    assert found.report().problems == ["split val is empty; name cases for it, or raise data.val_fraction"]


def test_every_feature_is_foreground_without_an_attribute(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif")
    found = data(tmp_path, save(tmp_path / "l.gpkg", boxes(*SHAPES), ["a", "b"]))
    np.testing.assert_array_equal(read(found), wanted() > 0)


def test_numbers_are_ids_and_later_features_lie_above(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif")
    mask = save(tmp_path / "l.gpkg", boxes((0, 0, 20, 20), (10, 10, 30, 30)), [7, 9])
    found = data(tmp_path, mask, classes={"background": 0, "a": 7, "b": 9}, vector={"attribute": "kind"})
    ids = read(found)
    assert (ids[10:30, 10:30] == 2).all()
    assert (ids[:2] == (np.arange(60) < 20)).all()
    both = data(tmp_path, mask, classes={"a": 1, "b": 2}, multilabel=True, vector={"attribute": "kind"})
    with pytest.raises(FileError, match=r"l\.gpkg: has the ids 7, 9"):
        read(both)  # 7 and 9 are no layers of two
    named = save(tmp_path / "n.gpkg", boxes((0, 0, 20, 20), (10, 10, 30, 30)), ["a", "b"])
    layers = read(data(tmp_path, named, multilabel=True, vector={"attribute": "kind"}))
    assert layers[:, 15, 15].tolist() == [1, 1]


def test_all_touched_burns_what_a_line_crosses(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif")
    line = shapely.LineString(moved(np.array([(5.2, 5.2), (45.4, 25.7)]), PLACE))
    mask = save(tmp_path / "l.gpkg", [line], [1])
    thin, thick = (read(data(tmp_path, mask, vector={"all_touched": touched})) for touched in (False, True))
    assert thin.sum() > 40
    assert thick.sum() > thin.sum()
    assert (thick >= thin).all()


def test_image_without_a_place_counts_pixels(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif", crs=None)
    mask = save(tmp_path / "l.geojson", [shapely.box(10, 5, 30, 20)], ["a"], crs=None)
    ids = read(data(tmp_path, mask))
    assert ids.sum() == 20 * 15
    assert ids[5:20, 10:30].all()


@pytest.mark.parametrize(
    ("crs_image", "crs_mask", "options", "reason"),
    [
        ("EPSG:32633", None, {}, "says of no coordinate system"),
        (None, "EPSG:32633", {}, "its image says of no place"),
        ("EPSG:32633", "EPSG:32633", {"attribute": "sort"}, "has no attribute 'sort'; it has kind"),
        ("EPSG:32633", "EPSG:32633", {"attribute": "kind"}, "says house, which data.classes does not name"),
    ],
)
def test_what_cannot_be_brought_together_is_refused(
    tmp_path: Path, crs_image: str | None, crs_mask: str | None, options: dict[str, Any], reason: str
) -> None:
    scene(tmp_path / "scene.tif", crs=crs_image)
    mask = save(tmp_path / "l.gpkg", boxes(*SHAPES[:1]), ["house"], crs_mask)
    found = data(tmp_path, mask, classes={"background": 0, "hut": 1}, vector=options)
    with pytest.raises(FileError, match=rf"l\.gpkg: .*{reason}"):
        read(found)


def test_empty_place_of_a_large_file_is_an_empty_mask(tmp_path: Path) -> None:
    scene(tmp_path / "scene.tif", transform=PLACE @ Affine.translation(100, 100))
    found = data(tmp_path, save(tmp_path / "l.gpkg", boxes(*SHAPES), ["a", "b"]))
    assert not read(found).any()
