"""Label maps as polygons: GeoJSON and GeoPackage through shapely and pyogrio."""

import re
import warnings
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .contract import ClassSpec
from .files import FileError, reading, replacing, stem
from .geometry import Geometry, RasterGeometry

FORMATS = {"geojson": "GeoJSON", "gpkg": "GPKG"}
"""Endings of files of polygons, and what GDAL calls their formats."""

_STRAIGHT = 64  # pixels that an edge may have before its ends alone would bend it in another projection


def parse_tolerance(text: str | float, spacing: Sequence[float] | None, unit: str) -> float:
    """Pixels that ``2px``, ``1.5m``, or a number of pixels stand for on an image of so many units a pixel.

    Raises:
        ValueError: If it is neither, or metres of an image whose pixels have no size in metres.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*(px|m|)\s*", str(text))
    try:
        number = float(found[1]) if found else -1.0
    except ValueError:
        number = -1.0
    if found is None or number < 0:
        raise ValueError(f"simplify={text} is no tolerance; write it as 2px or 1.5m")
    if found[2] != "m":
        return number
    if spacing is None or unit != "m":
        raise ValueError(f"simplify={text}: the image's pixels have no size in metres; write it as 2px")
    return number / float(np.mean(spacing))


def require_polygons(form: str, geometry: Geometry, name: str) -> None:
    """Refuse what has no outline on a plane.

    Raises:
        ValueError: If the format is unknown.
        FileError: If the image is a volume, or is placed by control points alone.
    """
    if form not in FORMATS:
        raise ValueError(f"vector={form} is unknown; choose {' or '.join(FORMATS)}")
    raster = isinstance(geometry, RasterGeometry)
    if len(geometry.size) != 2:
        raise FileError(f"{name}: is a volume, whose classes have no polygons; leave vector out")
    if raster and geometry.georeferenced and geometry.transform.is_identity:  # type: ignore[union-attr]
        raise FileError(
            f"{name}: is placed by control points, so its polygons would lie nowhere; "
            "warp it to a coordinate system first (gdalwarp)"
        )
    _libraries()


def write_polygons(
    path: Path,
    labels: Path,
    like: Geometry,
    classes: Sequence[ClassSpec],
    *,
    multilabel: bool = False,
    tolerance: float = 0.0,
) -> None:
    """The connected areas of each class but ``background``, with their holes, as features.

    Pixels that touch at a corner alone are apart. Attributes are ``class``, its name, and ``class_id``,
    its number in label maps. A GeoPackage has the image's CRS; GeoJSON is in WGS 84 (RFC 7946).
    Images that lie nowhere give pixels (column, row), from the corner of the first.

    Args:
        labels: The label map, a TIFF or PNG.
        multilabel: It has a layer of 0 and 1 for each class.
        tolerance: Outlines lose corners of triangles smaller than its square, in pixels (Visvalingam and
            Whyatt 1993); what neighbours share stays shared. 0 keeps every pixel.
    """
    shapely, pyogrio, rasterio = _libraries()
    outlines: list[Any] = []
    values: list[int] = []
    with reading(labels, "a label map"), warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(labels) as source:
            for band in range(source.count):
                known = {1: band} if multilabel else dict(enumerate(range(len(classes))))
                known = {value: k for value, k in known.items() if classes[k].name != "background"}
                for value, outline in _outlines(source, band + 1, known, tolerance):
                    outlines.append(outline)
                    values.append(known[value])
    crs, outlines_ = _placed(np.array(outlines, object), like, geojson=path.suffix == ".geojson")
    geojson = {"RFC7946": "YES", "COORDINATE_PRECISION": "9"} if crs else {}
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of polygons that lie nowhere
        temporary.unlink(missing_ok=True)
        pyogrio.raw.write(
            temporary,
            shapely.to_wkb(outlines_),
            [np.array([classes[v].name for v in values], object), np.array(values, np.int32)],
            ["class", "class_id"],
            driver=FORMATS[path.suffix[1:]],
            layer=stem(path),
            geometry_type="Polygon",
            crs=crs,
            layer_options=geojson if path.suffix == ".geojson" else {},
        )


def _outlines(source: Any, band: int, wanted: Container[int], tolerance: float) -> list[tuple[int, Any]]:
    """Polygons of a band in pixels, and their values, of which some are wanted."""
    shapely, _, rasterio = _libraries()
    pairs = [
        (int(value), shapely.geometry.shape(outline))
        for outline, value in rasterio.features.shapes(rasterio.band(source, band), connectivity=4)
        if int(value) in wanted
    ]
    # GDAL has placed them as the file says; whole pixels come back exactly
    back = ~source.transform
    pairs = [(value, shapely.transform(o, lambda at: np.rint(moved(at, back)))) for value, o in pairs]
    if tolerance == 0 or not pairs:
        return pairs
    # neighbours share corners only if each pixel's is one
    fine = shapely.segmentize(np.array([outline for _, outline in pairs], object), 1.0)
    simple = shapely.coverage_simplify(fine, tolerance)
    return [(value, outline) for (value, _), outline in zip(pairs, simple, strict=True)]


def _placed(outlines: np.ndarray, like: Geometry, *, geojson: bool) -> tuple[str | None, np.ndarray]:
    """The outlines in the image's CRS, or in that of GeoJSON, and its name."""
    shapely, _, rasterio = _libraries()
    if not isinstance(like, RasterGeometry) or not like.georeferenced:
        return None, outlines

    def place(at: np.ndarray) -> np.ndarray:
        return moved(at, like.transform)

    def project(at: np.ndarray) -> np.ndarray:
        return np.stack(rasterio.warp.transform(like.crs, "EPSG:4326", at[:, 0], at[:, 1]), axis=1)

    if not geojson or like.crs is None:
        return like.crs and like.crs.to_wkt(), shapely.transform(outlines, place)
    fine = shapely.transform(shapely.segmentize(outlines, _STRAIGHT), place)
    return "EPSG:4326", shapely.transform(fine, project)


def moved(at: np.ndarray, transform: Any) -> np.ndarray:
    """Points (N, 2) through an affine transform."""
    matrix = np.array(tuple(transform)[:6]).reshape(2, 3)
    return np.asarray(at @ matrix[:, :2].T + matrix[:, 2])


def _libraries() -> tuple[Any, Any, Any]:
    try:
        import pyogrio
        import pyogrio.raw
        import rasterio
        import rasterio.errors
        import rasterio.features
        import rasterio.warp
        import shapely
        import shapely.geometry
    except ImportError as error:
        raise ImportError(
            "polygons need rasterio, shapely and pyogrio: pip install 'unetzoo[vector]' or "
            "'unetzoo-runtime[vector]'"
        ) from error
    return shapely, pyogrio, rasterio
