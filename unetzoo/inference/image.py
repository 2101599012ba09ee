"""Reading images and masks, whatever their format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import nifti, pictures, raster
from .bands import default_bands, select_bands
from .files import FileError, existing, suffix
from .geometry import (
    Geometry,
    Image,
    PictureGeometry,
    Window,
    cropped,
    same_place,
)
from .source import ImageSource, Source

__all__ = [
    "SUFFIXES",
    "Geometry",
    "Image",
    "default_bands",
    "find_images",
    "image_size",
    "open_image",
    "read_image",
    "read_mask",
    "read_target",
]

SUFFIXES = (*pictures.SUFFIXES, *raster.SUFFIXES, *nifti.SUFFIXES)
"""File name endings that can be read, in lower case."""


def find_images(folder: str | Path) -> list[Path]:
    """All readable files in a folder and its subfolders, sorted; hidden files are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(SUFFIXES)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


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
    path = existing(path)
    source: Source
    match _format(path):
        case "picture":
            source = ImageSource(pictures.read_picture(path))
        case "raster":
            count = bands if bands is None or isinstance(bands, int) else len(bands)
            source = raster.RasterSource(path, count)
            if suffix(path) == ".png":
                source.geometry = PictureGeometry(source.size)
        case _:
            source = nifti.VolumeSource(path)
    return select_bands(source, bands, nodata, path)


def image_size(path: str | Path) -> tuple[int, ...]:
    """(H, W) or (z, y, x) that the file's header tells; no pixel is decoded. Errors as of `open_image`."""
    path = existing(path)
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
    with open_image(path, bands=bands, nodata=nodata) as source:
        return source.image(window)


def read_mask(path: str | Path, like: Image | None = None, window: Window | None = None) -> np.ndarray:
    """The ids of a mask file as they are: integers (*size), or (K, *size) of a file with several bands.

    Args:
        like: The image that the mask belongs to; size and place must agree.
        window: The part wanted; ``like`` is then the same part of the image.

    Raises:
        FileError: If the mask holds anything but ids, or does not fit the image.
    """
    path = existing(path)
    ids: np.ndarray
    geometry: Geometry
    match _format(path):
        case "picture":
            ids, geometry = pictures.read_picture_mask(path)
            if window is not None:
                ids, geometry = ids[..., *window], cropped(geometry, window)
        case "raster":
            ids, geometry = raster.read_raster_mask(path, window)
        case _:
            ids, geometry = nifti.read_volume_mask(path)
    if ids.dtype.kind == "f":
        whole = np.isfinite(ids) & (ids == np.rint(ids)) & (np.abs(ids) < 2**31)
        if not whole.all():
            raise FileError(f"{path}: the mask holds {ids[~whole].flat[0]}, which is not a whole-number id")
        ids = ids.astype(np.int32)
    if like is not None:
        _require_place(path, geometry, like, "mask")
    return np.ascontiguousarray(ids)


def read_target(
    path: str | Path, like: Image, *, bands: Sequence[str], window: Window | None = None
) -> Image:
    """The image that a network is to make of another one, on its grid.

    Raises:
        FileError: As `read_image`, or if its size or place is not the image's.
    """
    target = read_image(path, bands=bands, window=window)
    _require_place(Path(path), target.geometry, like, "target")
    return target


def _require_place(path: Path, geometry: Geometry, like: Image, what: str) -> None:
    """Refuse a mask or target that is not on its image's grid."""
    if geometry.size != like.valid.shape:
        raise FileError(f"{path}: the {what}'s size is {geometry.size} but its image's is {like.valid.shape}")
    if not same_place(geometry, like.geometry):
        raise FileError(
            f"{path}: the {what} lies elsewhere than its image (transform or affine differ by more than "
            "half a pixel); resample it onto the image, or correct its header"
        )


def _format(path: Path) -> str:
    ending = suffix(path)
    if ending in nifti.SUFFIXES:
        return "volume"
    if ending in raster.SUFFIXES or (ending == ".png" and pictures.is_deep(path)):
        return "raster"
    if ending in pictures.SUFFIXES:
        return "picture"
    raise FileError(f"{path}: the ending '{ending}' is unknown; readable are {', '.join(SUFFIXES)}")
