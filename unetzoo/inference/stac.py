"""STAC items with local assets as images: bands by name, from one file or from a file each."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .files import FileError
from .geometry import Rows, Window, same_place
from .raster import SUFFIXES as RASTERS
from .raster import RasterSource
from .source import Source

_NO_IMAGE = {"thumbnail", "overview", "metadata"}


def is_item(path: Path) -> bool:
    """Whether a JSON file is a STAC item; catalogs, collections, and any other JSON are none."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        return _is_item(json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        return False


def asset_files(path: Path) -> list[Path]:
    """The rasters that an item names."""
    return list(dict.fromkeys(band.file for band in _bands(path)))


def open_item(path: Path, wanted: Sequence[str] | int | None) -> Source:
    """The bands wanted of an item, by their names, common names, or the keys of their assets.

    Without names, the item must have one asset that is an image.

    Raises:
        FileError: If a band is not there, an asset is not a local file, or assets lie on different grids.
    """
    bands = _bands(path)
    files = list(dict.fromkeys(band.file for band in bands))
    if wanted is None or isinstance(wanted, int) or not any(_find(bands, name) for name in wanted):
        if len(files) != 1:
            keys = ", ".join(dict.fromkeys(band.names[-1] for band in bands)) or "none"
            raise FileError(
                f"{path}: has the assets {keys}; say in data.bands which are wanted, in their order"
            )
        return RasterSource(files[0], wanted if wanted is None or isinstance(wanted, int) else len(wanted))
    missing = [name for name in wanted if not _find(bands, name)]
    if missing:
        known = ", ".join(band.names[0] for band in bands)
        raise FileError(f"{path}: has the bands {known} but not {', '.join(missing)}")
    return _Stack(path, [_find(bands, name)[0] for name in wanted], wanted)


class _Band(NamedTuple):
    """A band of an asset: its names, the asset's key last, its file, and its number there."""

    names: tuple[str, ...]
    file: Path
    number: int


class _Stack(Source):
    """Bands of several rasters on one grid."""

    def __init__(self, path: Path, bands: Sequence[_Band], names: Sequence[str]) -> None:
        with ExitStack() as opened:
            files = {band.file: opened.enter_context(RasterSource(band.file)) for band in bands}
            first = files[bands[0].file]
            for file, source in files.items():
                if source.size != first.size or not same_place(source.geometry, first.geometry):
                    raise FileError(
                        f"{path}: {bands[0].file.name} ({' x '.join(map(str, first.size))}) and {file.name} "
                        f"({' x '.join(map(str, source.size))}) lie on different grids; resample them to one"
                    )
            self._opened = opened.pop_all()
        self._sources, self._bands = files, list(bands)
        super().__init__(
            first.geometry,
            len(bands),
            np.result_type(*(source.dtype for source in files.values())),
            bands=tuple(names),
            spacing=first.spacing,
            unit=first.unit,
            held=sum(source.held for source in files.values()),
        )

    def read(self, first: int, last: int) -> Rows:
        """Rows over the whole width."""
        return self.part((slice(first, last), slice(0, self.size[1])))

    def part(self, window: Window) -> Rows:
        """A window of each file."""
        rows = {file: source.part(window) for file, source in self._sources.items()}
        data = np.stack([rows[band.file].data[band.number] for band in self._bands])
        return Rows(
            data.astype(self.dtype, copy=False), np.logical_and.reduce([r.valid for r in rows.values()])
        )

    def close(self) -> None:
        """Close the files."""
        self._opened.close()


def _find(bands: Sequence[_Band], name: str) -> list[_Band]:
    return [band for band in bands if name.lower() in (n.lower() for n in band.names)]


def _bands(path: Path) -> list[_Band]:
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path}: is no JSON ({error})") from error
    if not _is_item(item):
        raise FileError(f"{path}: is no STAC item; name the items themselves, or their folder")
    found = []
    for key, asset in item.get("assets", {}).items():
        if not _is_image(asset):
            continue
        href = str(asset["href"])
        if "://" in href and not href.startswith("file://"):
            raise FileError(f"{path}: its asset {key} is not here ({href}); download it, and name the file")
        file = path.parent / href.removeprefix("file://")
        told: list[Mapping[str, Any]] = asset.get("bands") or asset.get("eo:bands") or [{}]
        for index, band in enumerate(told):
            names = [band.get("name"), band.get("eo:common_name", band.get("common_name"))]
            found.append(_Band((*(str(n) for n in names if n), key), file, index))
    return found


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "Feature" and "stac_version" in item


def _is_image(asset: Mapping[str, Any]) -> bool:
    if _NO_IMAGE & {*asset.get("roles", ())}:
        return False
    kind = str(asset.get("type", ""))
    return kind.startswith(("image/tiff", "image/jp2", "image/vnd.stac")) or (
        not kind and str(asset.get("href", "")).lower().endswith(RASTERS)
    )
