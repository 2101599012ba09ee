"""TIFF and GeoTIFF through rasterio, with everything that says where the pixels lie."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .contract import ClassSpec
from .files import FileError, existing, reading, replacing
from .geometry import Image, RasterGeometry, has_data

SUFFIXES = (".tif", ".tiff", ".gtif", ".gtiff")


def read_raster(path: Path, count: int | None = None) -> Image:
    """The raster's bands in the file's dtype.

    A pixel is valid if the file's dataset mask and ``has_data`` say so and no band is NaN or infinite. Band
    names are the descriptions, if every band has its own. A palette becomes RGB.

    Args:
        count: Number of bands wanted. GDAL flags the fourth of four 8-bit bands as alpha whatever it holds;
            it is taken for data if that gives the number wanted, or if its description is not "alpha".
    """
    with _opened(path) as source:
        data = _read(source, path)
        names = [name or "" for name in source.descriptions]
        kinds = [kind.name for kind in source.colorinterp]
        alpha = [i for i, kind in enumerate(kinds) if kind == "alpha"]
        if alpha and (count == len(data) or names[alpha[0]].lower() not in ("", "alpha")):
            valid = np.ones(data.shape[1:], bool)
        else:
            valid = source.dataset_mask() > 0
            data = np.delete(data, alpha, axis=0) if alpha else data
            names = [name for i, name in enumerate(names) if i not in alpha]
        if kinds == ["palette"]:
            data, names = _palette(source)[data[0]].transpose(2, 0, 1), []
        elif source.nodata is not None:
            valid &= has_data(data, source.nodata)
        geometry = _geometry(source)
    if data.dtype.kind == "f":
        valid &= np.isfinite(data).all(axis=0)
    bands = tuple(names) if all(names) and len(set(names)) == len(names) else ()
    spacing, unit = _spacing(geometry)
    return Image(np.ascontiguousarray(data), valid, bands, spacing, unit, geometry)


def read_raster_mask(path: Path) -> tuple[np.ndarray, RasterGeometry]:
    """Raw ids (H, W), or (K, H, W) of a raster with several bands that differ; palettes give indices.

    A band flagged as alpha is dropped if the others agree; else it is the fourth of four layers, see above.
    """
    with _opened(path) as source:
        data = _read(source, path)
        kinds = [kind.name for kind in source.colorinterp]
        geometry = _geometry(source)
    layers = data[[i for i, kind in enumerate(kinds) if kind != "alpha"]]
    return data[0] if (layers == layers[:1]).all() else data, geometry


def write_raster(
    path: Path,
    bands: np.ndarray,
    like: RasterGeometry,
    *,
    nodata: float | None,
    names: Sequence[str] = (),
    colours: Sequence[ClassSpec] = (),
) -> None:
    """Bands (C, H, W) as a tiled, compressed GeoTIFF in the place of ``like``.

    Args:
        nodata: Value of pixels without data; None: there are none.
        names: Band descriptions.
        colours: Classes whose colours make a palette for a single band.
    """
    rasterio = _rasterio()
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": len(bands),
        "height": like.size[0],
        "width": like.size[1],
        "dtype": bands.dtype.name,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "deflate",
        "predictor": 3 if bands.dtype.kind == "f" else 1,
        "bigtiff": "if_safer",
    }
    if len(bands) == 1 and colours:
        profile["photometric"] = "palette"
    if like.crs is not None or not like.transform.is_identity:
        profile |= {"crs": like.crs, "transform": like.transform}
    with _quiet(), replacing(path) as temporary, rasterio.open(temporary, "w", **profile) as target:
        if like.gcps[0]:
            target.gcps = like.gcps
        if like.rpcs is not None:
            target.rpcs = like.rpcs
        if like.point:
            target.update_tags(AREA_OR_POINT="Point")
        if len(bands) == 1 and colours:
            target.write_colormap(1, {i: c.colour for i, c in enumerate(colours)})
        for i, name in enumerate(names, start=1):
            target.set_band_description(i, name)
        target.write(bands)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    rasterio = _rasterio()
    existing(path)
    with reading(path, "a TIFF"), _quiet(), rasterio.open(path) as source:
        yield source


def _read(source: Any, path: Path) -> np.ndarray:
    if len(source.subdatasets) > 1:
        raise FileError(
            f"{path}: holds {len(source.subdatasets)} pages; save the page to use as a file of its own"
        )
    data: np.ndarray = source.read()
    if data.dtype.kind not in "iuf":
        raise FileError(f"{path}: bands of type {data.dtype} are not supported; store integers or floats")
    return data


def _palette(source: Any) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    for index, colour in source.colormap(1).items():
        table[index] = colour[:3]
    return table


def _geometry(source: Any) -> RasterGeometry:
    return RasterGeometry(
        size=(source.height, source.width),
        crs=source.crs,
        transform=source.transform,
        gcps=source.gcps,
        rpcs=source.rpcs,
        point=source.tags().get("AREA_OR_POINT") == "Point",
    )


def _spacing(geometry: RasterGeometry) -> tuple[tuple[float, ...] | None, str]:
    """Length of a step along (rows, columns), which a rotated transform spreads over both coordinates."""
    crs, t = geometry.crs, geometry.transform
    if crs is None or t.is_identity or not (crs.is_projected or crs.is_geographic):
        return None, "px"
    metres = crs.linear_units_factor[1] if crs.is_projected else 1.0
    return (math.hypot(t.b, t.e) * metres, math.hypot(t.a, t.d) * metres), "m" if crs.is_projected else "deg"


@contextmanager
def _quiet() -> Iterator[None]:
    """A raster without a place is a picture here, nothing to warn of."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _rasterio() -> Any:
    try:
        import rasterio
    except ImportError as error:
        raise ImportError("TIFF files need rasterio: pip install 'unetzoo-runtime[geo]'") from error
    return rasterio
