"""Reading images and masks, whatever their format."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import dicom, itk, ngff, nifti, pages, pictures, raster, stac
from .bands import default_bands, select_bands
from .files import FileError, existing, suffix
from .geometry import (
    Geometry,
    Image,
    PictureGeometry,
    VolumeGeometry,
    Window,
    cropped,
    same_place,
)
from .source import ImageSource, Part, Source

__all__ = [
    "SUFFIXES",
    "Geometry",
    "Image",
    "default_bands",
    "find_images",
    "image_size",
    "is_image",
    "open_image",
    "open_like",
    "open_part",
    "read_image",
    "read_mask",
    "read_target",
]

SUFFIXES = (
    *pictures.SUFFIXES,
    *raster.SUFFIXES,
    *nifti.SUFFIXES,
    *itk.SUFFIXES,
    *dicom.SUFFIXES,
)
"""File name endings that can be read, in lower case."""

SELF_CONTAINED = tuple(ending for ending in SUFFIXES if ending not in (".nhdr", ".mhd", ".vrt"))
"""Without those of files that name others, which nobody may ask a server to read."""


def is_image(path: Path) -> bool:
    """Whether a file can be read, or a folder is an image itself: zarr, or a DICOM series."""
    if path.is_dir():
        return suffix(path) == ngff.SUFFIX or dicom.is_series(path)
    return (path.name.lower().endswith(SUFFIXES) and path.is_file()) or stac.is_item(path)


def find_images(folder: str | Path) -> list[Path]:
    """All images in a folder and its subfolders, sorted; hidden files are left out.

    A folder of DICOM slices is one image, and they are none; so are a STAC item and its assets.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    found: list[Path] = []
    for where, folders, files in os.walk(folder):
        arrays = [Path(where) / name for name in folders if suffix(name) == ngff.SUFFIX]
        folders[:] = [n for n in folders if not n.startswith(".") and suffix(n) != ngff.SUFFIX]
        images = [Path(where) / name for name in files if not name.startswith(".")]
        images = [path for path in images if is_image(path)]
        if is_image(Path(where)):
            found.append(Path(where))
            images = [path for path in images if suffix(path) not in dicom.SUFFIXES]
        found += [*images, *arrays]
    assets = {file.resolve() for path in found if stac.is_item(path) for file in stac.asset_files(path)}
    return sorted(path for path in found if path.resolve() not in assets)


def open_image(
    path: str | Path, *, bands: Sequence[str] | int | None = None, nodata: float | None = None
) -> Source:
    """An image with the bands wanted, to be read a few rows at a time and closed.

    Pictures are decoded whole, since their formats have no other way.

    Args:
        bands: Names or count, see ``select_bands``; None takes what the file has.
        nodata: Value that means no data, see ``has_data``, beside what the file itself marks.

    Raises:
        FileError: If the file is damaged, of an unknown format, or has other bands.
        FileNotFoundError: If there is no such file.
        ImportError: If the package that reads the format is not installed; names the extra.
    """
    path = _there(path)
    source: Source
    match _format(path):
        case "picture":
            source = ImageSource(pictures.read_picture(path))
        case "raster":
            count = bands if bands is None or isinstance(bands, int) else len(bands)
            source = raster.RasterSource(path, count)
            if suffix(path) == ".png":
                source.geometry = PictureGeometry(source.size)
        case "pages":
            source = pages.PagesSource(path, raster.page_count(path))
        case "dicom":
            source = dicom.open_series(path)
        case "itk":
            source = itk.open_itk(path)
        case "stac":
            source = stac.open_item(path, bands)
        case "zarr":
            source = ngff.ZarrSource(path)
        case _:
            source = nifti.VolumeSource(path)
    return select_bands(source, bands, nodata, path)


def image_size(path: str | Path) -> tuple[int, ...]:
    """(H, W) or (z, y, x) that the file's header tells; no pixel is decoded. Errors as of `open_image`."""
    path = _there(path)
    if _format(path) == "picture":
        return pictures.picture_size(path)
    with open_image(path) as source:
        return source.size


def read_image(
    path: str | Path,
    *,
    bands: Sequence[str] | int | None = None,
    nodata: float | None = None,
    window: Window | None = None,
) -> Image:
    """An image with the bands wanted, whole or a window of it; arguments and errors as of `open_image`."""
    with open_part(path, bands=bands, nodata=nodata, window=window) as source:
        return source.image()


def open_part(
    path: str | Path,
    *,
    bands: Sequence[str] | int | None = None,
    nodata: float | None = None,
    window: Window | None = None,
) -> Source:
    """`open_image` of all of it, or of a window of it."""
    source = open_image(path, bands=bands, nodata=nodata)
    return source if window is None else Part(source, window)


def read_mask(path: str | Path, like: Image | None = None, window: Window | None = None) -> np.ndarray:
    """The ids of a mask file as they are: integers (*size), or (K, *size) of a file with several bands.

    Args:
        like: The image that the mask belongs to; size and place must agree.
        window: The part wanted; ``like`` is then the same part of the image.

    Raises:
        FileError: If the mask holds anything but ids, or does not fit the image.
    """
    path = _there(path)
    ids: np.ndarray
    geometry: Geometry
    match _format(path):
        case "picture":
            ids, geometry = pictures.read_picture_mask(path)
            if window is not None:
                part: tuple[Any, ...] = (..., *window)
                ids, geometry = ids[part], cropped(geometry, window)
        case "raster":
            ids, geometry = raster.read_raster_mask(path, window)
        case "dicom":
            place = None if like is None else like.geometry
            ids, geometry = dicom.read_segmentation(
                path, place if isinstance(place, VolumeGeometry) else None
            )
        case _:
            with open_image(path) as source:
                layers, geometry = source.image().data, source.geometry
            ids = layers[0] if len(layers) == 1 else layers
    if ids.dtype.kind == "f":
        whole = np.isfinite(ids) & (ids == np.rint(ids)) & (np.abs(ids) < 2**31)
        if not whole.all():
            raise FileError(f"{path}: the mask holds {ids[~whole].flat[0]}, which is not a whole-number id")
        ids = ids.astype(np.int32)
    if like is not None:
        _require_place(path, geometry, like.geometry, "mask")
    return np.ascontiguousarray(ids)


def read_target(
    path: str | Path, like: Image, *, bands: Sequence[str], window: Window | None = None
) -> Image:
    """The image that a network is to make of another one, on its grid.

    Raises:
        FileError: As `read_image`, or if its size or place is not the image's.
    """
    with open_like(path, like.geometry, "target", bands=bands, window=window) as source:
        return source.image()


def open_like(
    path: str | Path,
    like: Geometry,
    what: str,
    *,
    bands: Sequence[str] | None = None,
    window: Window | None = None,
) -> Source:
    """A mask or target to be read a few rows at a time, or a window of it, on the grid of its image.

    Args:
        like: Of the image, or of the same window of it.
        what: For the message, mask or target.

    Raises:
        FileError: If its size or place is not the image's.
    """
    source = open_part(path, bands=bands, window=window)
    _require_place(Path(path), source.geometry, like, what)
    return source


def _require_place(path: Path, geometry: Geometry, like: Geometry, what: str) -> None:
    """Refuse a mask or target that is not on its image's grid."""
    if geometry.size != like.size:
        raise FileError(f"{path}: the {what}'s size is {geometry.size} but its image's is {like.size}")
    if not same_place(geometry, like):
        raise FileError(
            f"{path}: the {what} lies elsewhere than its image (transform or affine differ by more than "
            "half a pixel); resample it onto the image, or correct its header"
        )


def _there(path: str | Path) -> Path:
    """An image that exists: a file that is not empty, or a folder that is an image."""
    path = Path(path)
    return path if path.is_dir() and is_image(path) else existing(path)


def _format(path: Path) -> str:
    ending = suffix(path)
    if ending == ngff.SUFFIX:
        return "zarr"
    if ending == ".json":
        return "stac"
    if path.is_dir() or ending in dicom.SUFFIXES:
        return "dicom"
    if ending in nifti.SUFFIXES:
        return "nifti"
    if ending in itk.SUFFIXES:
        return "itk"
    if ending in (".tif", ".tiff") and raster.page_count(path) > 1:
        return "pages"
    if ending in raster.SUFFIXES or (ending == ".png" and pictures.is_deep(path)):
        return "raster"
    if ending in pictures.SUFFIXES:
        return "picture"
    raise FileError(f"{path}: the ending '{ending}' is unknown; readable are {', '.join(SUFFIXES)}")
