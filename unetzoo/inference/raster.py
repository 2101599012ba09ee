"""TIFF, GeoTIFF, JPEG 2000 and virtual rasters through rasterio, with all that says where pixels lie."""

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .contract import ClassSpec
from .files import FileError, reading, replacing
from .geometry import Geometry, RasterGeometry, Rows, Window, cropped, has_data
from .source import Source

SUFFIXES = (".tif", ".tiff", ".gtif", ".gtiff", ".jp2", ".vrt")

# a file is what its ending says: a virtual raster may name any other file, and must be called one
_DRIVERS = {".jp2": "JP2OpenJPEG", ".vrt": "VRT", ".png": "PNG"}

_BLOCK = 256
_CACHE = 64 * 2**20  # bytes of decoded blocks that GDAL may keep


class RasterSource(Source):
    """A raster's bands in the file's dtype, read in bands of rows.

    A pixel is valid if the file's dataset mask and ``has_data`` say so and no band is NaN or infinite. Band
    names are the descriptions, if no two are alike; a band without one beside others that have one is called
    by its number. A palette becomes RGB.

    Args:
        count: Number of bands wanted. GDAL flags the fourth of four 8-bit bands as alpha whatever it holds;
            it is taken for data if that gives the number wanted, or if its description is not "alpha".
    """

    def __init__(self, path: Path, count: int | None = None) -> None:
        self._path = path
        with reading(path, "a TIFF"), _frugal(), _quiet():
            self._file = _open(path)
            names = [name or "" for name in self._file.descriptions]
            kinds = [kind.name for kind in self._file.colorinterp]
            self._alpha = [i for i, kind in enumerate(kinds) if kind == "alpha"]
            is_data = count == len(kinds) or (
                self._alpha and names[self._alpha[0]].lower() not in ("", "alpha")
            )
            self._masked = not (self._alpha and is_data)
            if self._masked:
                names = [name for i, name in enumerate(names) if i not in self._alpha]
            if any(names):
                names = [name or f"band_{i}" for i, name in enumerate(names, start=1)]
            self._palette = _palette(self._file) if kinds == ["palette"] else None
            geometry = _geometry(self._file)
            spacing, unit = _spacing(geometry)
            block_rows, block_columns = self._file.block_shapes[0]
            dtype = np.dtype(np.uint8 if self._palette is not None else self._file.dtypes[0])
        across = -(-self._file.width // block_columns) * block_columns
        super().__init__(
            geometry,
            3 if self._palette is not None else len(names),
            dtype,
            bands=tuple(names)
            if self._palette is None and all(names) and len(set(names)) == len(names)
            else (),
            spacing=spacing,
            unit=unit,
            # GDAL decodes whole blocks
            held=min(_CACHE, block_rows * across * len(kinds) * dtype.itemsize),
        )

    def read(self, first: int, last: int) -> Rows:
        """Rows over the whole width."""
        return self.part((slice(first, last), slice(0, self._file.width)))

    def part(self, window: Window) -> Rows:
        """A window, of which no more than the blocks around it are decoded."""
        with reading(self._path, "a TIFF"), _frugal(), _quiet():
            window = _rasterio().windows.Window.from_slices(*window)
            data: np.ndarray = self._file.read(window=window)
            if self._masked:
                valid = self._file.dataset_mask(window=window) > 0
                data = np.delete(data, self._alpha, axis=0) if self._alpha else data
            else:
                valid = np.ones(data.shape[1:], bool)
            if self._palette is not None:
                data = np.ascontiguousarray(self._palette[data[0]].transpose(2, 0, 1))
            elif self._file.nodata is not None:
                valid &= has_data(data, self._file.nodata)
        if data.dtype.kind == "f":
            valid &= np.isfinite(data).all(axis=0)
        return Rows(data, valid)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_raster_mask(path: Path, window: Window | None = None) -> tuple[np.ndarray, Geometry]:
    """Raw ids (H, W), or (K, H, W) of a raster with several bands that differ; palettes give indices.

    A band flagged as alpha is dropped if the others agree; else it is the fourth of four layers, see above.
    """
    with reading(path, "a TIFF"), _frugal(), _quiet(), _open(path) as source:
        place = _geometry(source)
        inside = None if window is None else _rasterio().windows.Window.from_slices(*window)
        data = source.read(window=inside)
        kinds = [kind.name for kind in source.colorinterp]
    geometry = place if window is None else cropped(place, window)
    layers = data[[i for i, kind in enumerate(kinds) if kind != "alpha"]]
    # bands that agree in a window may differ elsewhere
    single = len(layers) == 1 or (window is None and (layers == layers[:1]).all())
    return data[0] if single else data, geometry


def write_raster(
    path: Path,
    rows: Iterable[np.ndarray],
    like: RasterGeometry,
    *,
    count: int,
    dtype: str,
    nodata: float | None,
    names: Sequence[str] = (),
    colours: Sequence[ClassSpec] = (),
    overviews: str | None = None,
    cloud: bool = False,
) -> None:
    """A tiled, compressed GeoTIFF in the place of ``like``.

    Args:
        rows: The result from top to bottom, in pieces (count, rows, W) of any height.
        nodata: Value of pixels without data; None: there are none.
        names: Band descriptions.
        colours: Classes whose colours make a palette for a single band.
        overviews: How smaller copies of a large raster are made, ``mode`` or ``average``; None: not.
        cloud: Order the file as a cloud-optimised GeoTIFF, which takes a second copy.
    """
    rasterio = _rasterio()
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": count,
        "height": like.size[0],
        "width": like.size[1],
        "dtype": dtype,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "predictor": 3 if np.dtype(dtype).kind == "f" else 1,
        "bigtiff": "if_safer",
    }
    if count == 1 and colours:
        profile["photometric"] = "palette"
    if like.crs is not None or not like.transform.is_identity:
        profile |= {"crs": like.crs, "transform": like.transform}
    with _frugal(), _quiet(), replacing(path) as temporary:
        with rasterio.open(temporary, "w", **profile) as target:
            if like.gcps[0]:
                target.gcps = like.gcps
            if like.rpcs is not None:
                target.rpcs = like.rpcs
            if like.point:
                target.update_tags(AREA_OR_POINT="Point")
            if count == 1 and colours:
                target.write_colormap(1, {i: c.colour for i, c in enumerate(colours)})
            for i, name in enumerate(names, start=1):
                target.set_band_description(i, name)
            first = 0
            for piece in _whole_blocks(rows):
                target.write(piece, window=((first, first + piece.shape[1]), (0, like.size[1])))
                first += piece.shape[1]
        factors = [2**k for k in range(1, 32) if max(like.size) >> k >= 2 * _BLOCK]
        if factors and overviews:
            with rasterio.open(temporary, "r+") as target:
                target.build_overviews(factors, rasterio.enums.Resampling[overviews])
        if cloud:
            with replacing(temporary) as ordered:
                options = {"compress": "deflate", "predictor": profile["predictor"], "bigtiff": "if_safer"}
                rasterio.shutil.copy(temporary, ordered, driver="COG", **options)


def _whole_blocks(rows: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows in pieces of whole blocks, so that none is compressed twice."""
    rest: np.ndarray | None = None
    for piece in rows:
        rest = piece if rest is None else np.concatenate([rest, piece], axis=1)
        whole = rest.shape[1] // _BLOCK * _BLOCK
        if whole:
            yield rest[:, :whole]
            rest = rest[:, whole:]
    if rest is not None and rest.shape[1]:
        yield rest


def page_count(path: Path) -> int:
    """Pages of a TIFF; overviews and masks are none."""
    with reading(path, "a TIFF"), _quiet(), _rasterio().open(path, driver=_driver(path)) as source:
        return max(1, len(source.subdatasets))


def read_page(path: Path, page: int) -> np.ndarray:
    """Bands (C, H, W) of a page, from 0."""
    with reading(path, "a TIFF"), _frugal(), _quiet(), _open(path, page) as source:
        return np.asarray(source.read())


def _driver(path: Path) -> str:
    return _DRIVERS.get(path.suffix.lower(), "GTiff")


def _open(path: Path, page: int | None = None) -> Any:
    name = str(path) if page is None else f"GTIFF_DIR:{page + 1}:{path}"
    source = _rasterio().open(name, driver=_driver(path))
    if np.dtype(source.dtypes[0]).kind not in "iuf":
        raise FileError(
            f"{path}: bands of type {source.dtypes[0]} are not supported; store integers or floats"
        )
    return source


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


def _frugal() -> Any:
    """GDAL would keep decoded blocks up to a twentieth of the machine's memory."""
    return _rasterio().Env(GDAL_CACHEMAX=_CACHE)


@contextmanager
def _quiet() -> Iterator[None]:
    """A raster without a place is a picture here, nothing to warn of."""
    warning = _rasterio().errors.NotGeoreferencedWarning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", warning)
        yield


def _rasterio() -> Any:
    try:
        import rasterio
        import rasterio.enums
        import rasterio.shutil
        import rasterio.windows
    except ImportError as error:
        raise ImportError("TIFF files need rasterio: pip install 'unetzoo-runtime[geo]'") from error
    return rasterio
