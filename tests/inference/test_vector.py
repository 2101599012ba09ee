"""Polygons of label maps, measured against the pixels that they were made of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy.ndimage import gaussian_filter

from unetzoo.inference import ClassSpec, Contract, DataSpec, Normalisation, Predictor
from unetzoo.inference.vector import parse_tolerance

GEO: Any = geopandas
PLACES = {
    "utm": {},
    "turned": {"transform": Affine.translation(5e5, 5.3e6) @ Affine.rotation(33) @ Affine.scale(0.5, -0.3)},
    "degrees": {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 5, 0, -1e-4, 50)},
    "mercator": {"crs": "EPSG:3857", "transform": Affine(0.6, 0, 3.6e6, 0, -0.6, 3e4)},
}
CLASSES = tuple(ClassSpec(n, (i,), (9, i, 200)) for i, n in enumerate(("background", "field", "house")))


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    """Smooth values in bands of 50, such that every class has several areas with holes."""
    field = gaussian_filter(rng.normal(size=(70, 90)), 3)
    return np.digitize(field, np.quantile(field, [0.5, 0.8])).astype(np.uint8) * 50


def predictor(multilabel: bool = False) -> Predictor:
    classes = CLASSES[1:] if multilabel else CLASSES
    data = DataSpec(
        2,
        ("grey",),
        classes,
        Normalisation("fixed", mean=(0.0,), std=(50.0,)),
        (32, 32),
        multilabel=multilabel,
    )

    def network(x: np.ndarray) -> np.ndarray:
        if multilabel:  # houses stand on fields
            return np.concatenate([x - 0.5, x - 1.5], axis=1)
        return np.concatenate([-np.abs(x - k) for k in range(3)], axis=1)

    activation = "sigmoid" if multilabel else "softmax"
    return Predictor(network, Contract("t", data, activation, (1, 1), True))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("form", ["gpkg", "geojson"])
@pytest.mark.parametrize("place", PLACES)
def test_polygons_cover_the_pixels_of_their_class(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray, place: str, form: str
) -> None:
    path = geotiff(values[None], **PLACES[place])
    predictor().predict_file(path, tmp_path / "out.tif", vector=form)
    found = GEO.read_file(tmp_path / f"out.{form}")
    with rasterio.open(tmp_path / "out.tif") as source:
        labels, crs, transform = source.read(1), source.crs, source.transform
    assert found.crs == (4326 if form == "geojson" else crs)
    assert set(found["class"]) == {"field", "house"}
    assert found.geometry.is_valid.all()
    assert max(len(outline.interiors) for outline in found.geometry) > 0
    back = found.to_crs(crs)
    for k, name in ((1, "field"), (2, "house")):
        assert set(found[found["class"] == name]["class_id"]) == {k}
        burnt = rasterize(back[back["class"] == name].geometry, labels.shape, transform=transform)
        assert overlap(burnt == 1, labels == k) > 0.99


def test_geojson_keeps_to_its_standard(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray
) -> None:
    predictor().predict_file(geotiff(values[None]), tmp_path / "out.tif", vector="geojson")
    read = json.loads((tmp_path / "out.geojson").read_text())
    assert "crs" not in read  # RFC 7946, section 4
    for feature in read["features"]:
        outer, *inner = (np.array(ring) for ring in feature["geometry"]["coordinates"])
        assert (np.abs(outer - (15, 47.9)) < 0.3).all()  # longitude first
        assert area(outer) > 0  # the right-hand rule
        assert all(area(ring) < 0 for ring in inner)


def area(ring: np.ndarray) -> float:
    x, y = (ring - ring[0]).T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_simplified_neighbours_leave_no_gap_and_do_not_overlap(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray
) -> None:
    path = geotiff(values[None] + 50)  # no background: fields, houses, and what was background
    many = (*CLASSES[1:], ClassSpec("road", (3,), (1, 1, 1)))
    data = DataSpec(2, ("grey",), many, Normalisation("fixed", mean=(50.0,), std=(50.0,)), (32, 32))
    model = Predictor(
        lambda x: np.concatenate([-np.abs(x - k) for k in range(3)], axis=1),
        Contract("t", data, "softmax", (1, 1), True),
    )
    counts = []
    for tolerance in ("0", "15m"):  # of pixels of 10 m
        model.predict_file(path, tmp_path / "out.tif", vector="gpkg", simplify=tolerance)
        found = GEO.read_file(tmp_path / "out.gpkg")
        counts.append(found.get_coordinates().shape[0])
        total, merged = found.area.sum(), found.union_all().area
        assert total == pytest.approx(merged, rel=1e-6)
        assert merged == pytest.approx(70 * 90 * 100, rel=0.02)
    assert counts[1] < counts[0] / 2


def test_layers_that_overlap_are_polygons_that_overlap(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray
) -> None:
    predictor(multilabel=True).predict_file(geotiff(values[None]), tmp_path / "out.tif", vector="gpkg")
    found = GEO.read_file(tmp_path / "out.gpkg").dissolve("class")
    assert found.area["field"] == pytest.approx((values >= 50).sum() * 100)
    assert found.area["house"] == pytest.approx((values >= 100).sum() * 100)


def test_pixels_without_data_are_in_no_polygon(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray
) -> None:
    values[10:20, 10:20], values[values == 0] = 7, 50
    predictor().predict_file(geotiff(values[None], nodata=7), tmp_path / "out.tif", vector="gpkg")
    assert GEO.read_file(tmp_path / "out.gpkg").area.sum() == pytest.approx((70 * 90 - 100) * 100)


@pytest.mark.parametrize("form", ["gpkg", "geojson"])
def test_picture_gives_pixels_and_an_empty_one_no_feature(
    geotiff: Callable[..., Path], tmp_path: Path, form: str
) -> None:
    picture = np.zeros((1, 20, 30), np.uint8)
    for name, area_ in (("empty", 0), ("full", 12)):
        picture[0, 5:8, 10:14] = 50 * bool(area_)
        path = geotiff(picture, name=f"{name}.tif", crs=None, transform=None)
        predictor().predict_file(path, tmp_path / f"{name}_out.tif", vector=form)
        found = GEO.read_file(tmp_path / f"{name}_out.{form}")
        assert len(found) == bool(area_)
        assert found.geometry.set_crs(None, allow_override=True).area.sum() == area_
    assert found.total_bounds.tolist() == [10, 5, 14, 8]


def test_what_has_no_polygons_is_refused_before_it_is_predicted(
    geotiff: Callable[..., Path], tmp_path: Path, values: np.ndarray
) -> None:
    path = geotiff(values[None])
    for options, reason in [
        ({"vector": "shp"}, "vector=shp is unknown; choose geojson or gpkg"),
        ({"vector": "gpkg", "simplify": "5 feet"}, "simplify=5 feet is no tolerance"),
    ]:
        with pytest.raises(ValueError, match=reason):
            predictor().predict_file(path, tmp_path / "out.tif", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out.tif").exists()


def test_tolerance_is_in_pixels_or_metres() -> None:
    assert parse_tolerance("2px", None, "px") == parse_tolerance(2, None, "px") == 2
    assert parse_tolerance("1.5m", (0.5, 0.5), "m") == 3
    with pytest.raises(ValueError, match="no size in metres"):
        parse_tolerance("1m", (0.1, 0.1), "deg")
