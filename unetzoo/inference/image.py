"""Reading images and masks, and writing results, whatever their format."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from . import nifti, pictures, raster
from .bands import default_bands, select_bands
from .contract import IGNORE, ClassSpec
from .files import FileError, existing, replacing
from .geometry import (
    Geometry,
    Image,
    PictureGeometry,
    RasterGeometry,
    VolumeGeometry,
    has_data,
    same_place,
)

__all__ = [
    "SUFFIXES",
    "Geometry",
    "Image",
    "default_bands",
    "find_images",
    "output_suffix",
    "read_image",
    "read_mask",
    "read_target",
    "stem",
    "write_labels",
    "write_probabilities",
    "write_values",
]

SUFFIXES = (*pictures.SUFFIXES, *raster.SUFFIXES, *nifti.SUFFIXES)
"""File name endings that can be read, in lower case."""


def stem(path: str | Path) -> str:
    """File name without its ending; ``.nii.gz`` is one ending."""
    name = Path(path).name
    return name[: len(name) - len(_suffix(path))]


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


def read_image(
    path: str | Path, *, bands: Sequence[str] | int | None = None, nodata: float | None = None
) -> Image:
    """An image with the bands wanted.

    Args:
        bands: Names or count, see ``select_bands``; None takes what the file has.
        nodata: Value that means no data, see ``has_data``, beside what the file itself marks.

    Raises:
        FileError: If the file is damaged, of an unknown format, or has other bands.
        FileNotFoundError: If there is no such file.
        ImportError: If the package that reads the format is not installed; names the extra.
    """
    path = existing(path)
    match _format(path):
        case "picture":
            image = pictures.read_picture(path)
        case "raster":
            image = raster.read_raster(
                path, count=bands if bands is None or isinstance(bands, int) else len(bands)
            )
            if _suffix(path) == ".png":
                image = replace(image, geometry=PictureGeometry(image.valid.shape))
        case _:
            image = nifti.read_volume(path)
    if nodata is not None:
        image = replace(image, valid=image.valid & has_data(image.data, nodata))
    return image if bands is None else select_bands(image, bands, path)


def read_mask(path: str | Path, like: Image | None = None) -> np.ndarray:
    """The ids of a mask file as they are: integers (*size), or (K, *size) of a file with several bands.

    Args:
        like: The image that the mask belongs to; size and place must agree.

    Raises:
        FileError: If the mask holds anything but ids, or does not fit the image.
    """
    path = existing(path)
    ids: np.ndarray
    geometry: Geometry
    match _format(path):
        case "picture":
            ids, geometry = pictures.read_picture_mask(path)
        case "raster":
            ids, geometry = raster.read_raster_mask(path)
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


def read_target(path: str | Path, like: Image, *, bands: Sequence[str]) -> Image:
    """The image that a network is to make of another one, on its grid.

    Raises:
        FileError: As `read_image`, or if its size or place is not the image's.
    """
    target = read_image(path, bands=bands)
    _require_place(Path(path), target.geometry, like, "target")
    return target


def output_suffix(image: Image, *, layers: bool = False) -> str:
    """Ending of the files that keep an image's place; ``layers`` for results with several bands."""
    if isinstance(image.geometry, VolumeGeometry):
        return ".nii.gz"
    if isinstance(image.geometry, RasterGeometry):
        return ".tif"
    return ".npy" if layers else ".png"


def write_labels(path: str | Path, labels: np.ndarray, like: Image, classes: Sequence[ClassSpec]) -> None:
    """A label map in the place of ``like``, in the format of ``path``.

    GeoTIFF and PNG carry the classes' colours; no-data is 255 (in GeoTIFF marked as nodata).

    Args:
        labels: uint8 (*size) of class indices, or (K, *size) of 0 and 1 for classes that overlap.
    """
    path, labels = Path(path), np.asarray(labels, np.uint8)
    layers = labels[None] if labels.ndim == like.valid.ndim else labels
    many = labels.ndim > like.valid.ndim
    _require(path, like, layers=many)
    if path.suffix.lower() == ".npy":
        _write_array(path, labels)
    elif isinstance(like.geometry, VolumeGeometry):
        nifti.write_volume(path, labels, like.geometry)
    elif path.suffix.lower() == ".png":
        pictures.write_picture_labels(path, labels, classes)
    else:
        names = [c.name for c in classes] if many else ["class"]
        colours = () if many else classes
        assert isinstance(like.geometry, RasterGeometry)
        raster.write_raster(path, layers, like.geometry, nodata=IGNORE, names=names, colours=colours)


def write_probabilities(
    path: str | Path, probabilities: np.ndarray, like: Image, names: Sequence[str] = ()
) -> None:
    """Probabilities (K, *size) float32 in the place of ``like``: GeoTIFF, 4D NIfTI, or .npy for pictures.

    In a GeoTIFF pixels without data are NaN, elsewhere they are 0.

    Args:
        names: Of the classes, for the GeoTIFF's bands.
    """
    raster_ = isinstance(like.geometry, RasterGeometry)
    probabilities = np.where(like.valid, probabilities, np.nan) if raster_ else probabilities
    write_values(path, probabilities, like, names)


def write_values(path: str | Path, values: np.ndarray, like: Image, names: Sequence[str] = ()) -> None:
    """Numbers (K, *size) float32 in the place of ``like``: GeoTIFF, NIfTI, or .npy for pictures.

    Args:
        values: NaN where there is no data. NIfTI is 4D only with several bands.
        names: Of the bands, for the GeoTIFF.
    """
    path, values = Path(path), np.asarray(values, np.float32)
    _require(path, like, layers=True)
    if path.suffix.lower() == ".npy":
        _write_array(path, values)
    elif isinstance(like.geometry, VolumeGeometry):
        nifti.write_volume(path, values[0] if len(values) == 1 else values, like.geometry)
    else:
        assert isinstance(like.geometry, RasterGeometry)
        raster.write_raster(path, values, like.geometry, nodata=float("nan"), names=names)


def _require_place(path: Path, geometry: Geometry, like: Image, what: str) -> None:
    """Refuse a mask or target that is not on its image's grid."""
    if geometry.size != like.valid.shape:
        raise FileError(f"{path}: the {what}'s size is {geometry.size} but its image's is {like.valid.shape}")
    if not same_place(geometry, like.geometry):
        raise FileError(
            f"{path}: the {what} lies elsewhere than its image (transform or affine differ by more than "
            "half a pixel); resample it onto the image, or correct its header"
        )


def _suffix(path: str | Path) -> str:
    name = Path(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def _format(path: Path) -> str:
    suffix = _suffix(path)
    if suffix in nifti.SUFFIXES:
        return "volume"
    if suffix in raster.SUFFIXES or (suffix == ".png" and pictures.is_deep(path)):
        return "raster"
    if suffix in pictures.SUFFIXES:
        return "picture"
    raise FileError(f"{path}: the ending '{suffix}' is unknown; readable are {', '.join(SUFFIXES)}")


def _require(path: Path, like: Image, *, layers: bool) -> None:
    """Refuse a format that would lose the image's place or the result's layers."""
    geometry = like.geometry
    allowed: tuple[str, ...]
    if isinstance(geometry, VolumeGeometry):
        allowed = nifti.SUFFIXES
    elif isinstance(geometry, RasterGeometry) and (geometry.georeferenced or layers):
        allowed = raster.SUFFIXES
    elif isinstance(geometry, RasterGeometry):
        allowed = (*raster.SUFFIXES, ".png")
    else:
        allowed = (".npy",) if layers else (".png",)
    if _suffix(path) not in allowed:
        raise ValueError(
            f"{path}: cannot hold this result; give the file one of the endings {', '.join(allowed)}"
        )


def _write_array(path: Path, values: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.save(temporary, values)
