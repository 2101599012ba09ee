"""An image and where its pixels lie in the world."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class PictureGeometry:
    """A picture lies nowhere; it has a size (H, W), as it is seen (EXIF orientation applied)."""

    size: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class RasterGeometry:
    """A raster's place on the Earth, in rasterio's objects.

    Args:
        size: (H, W).
        crs: Coordinate reference system of ``transform``, or None.
        transform: Affine from (column, row) to the CRS; identity where the file has none.
        gcps: Ground control points and their CRS, for files that have these instead of a transform.
        rpcs: Rational polynomial coefficients, or None.
        point: Pixel values belong to points rather than to areas (the AREA_OR_POINT tag).
    """

    size: tuple[int, ...]
    crs: Any
    transform: Any
    gcps: tuple[list[Any], Any]
    rpcs: Any
    point: bool

    @property
    def georeferenced(self) -> bool:
        """Whether the file says anything of a place."""
        return (
            self.crs is not None
            or not self.transform.is_identity
            or bool(self.gcps[0])
            or self.rpcs is not None
        )


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """A volume's place in the scanner.

    Args:
        size: (z, y, x) in the closest canonical (RAS) orientation, the order of ``Image.data``.
        affine: (4, 4) from canonical voxel indices (x, y, z) to world coordinates.
        header: What outputs copy: a NIfTI header, or the headers of a DICOM series.
        axes: (3, 2) nibabel orientation: which canonical axis each file axis is, and its sign.
        file_affine: (4, 4) from the file's own voxel indices to world coordinates.
        file_shape: The file's own spatial shape.
        suffix: Ending of the format in which results keep all of this.
    """

    size: tuple[int, ...]
    affine: np.ndarray
    header: Any
    axes: np.ndarray
    file_affine: np.ndarray
    file_shape: tuple[int, ...]
    suffix: str = ".nii.gz"


Geometry = PictureGeometry | RasterGeometry | VolumeGeometry


class Rows(NamedTuple):
    """A piece of an image along its first axis: data (C, rows, *rest) and valid (rows, *rest)."""

    data: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True, eq=False)
class Image:
    """An image as the network's side sees it.

    Args:
        data: (C, *size) in the file's dtype; volumes are (C, z, y, x) in the closest canonical orientation.
        valid: (*size), False where there is no data: nodata, masked, alpha 0, NaN or infinity in any band.
        bands: Names found in the file, else ().
        spacing: Per axis of size, in ``unit``; None where the file does not tell.
        unit: ``mm``, ``m``, ``deg`` or ``px``.
        geometry: What the writers need to put a result in the same place.
    """

    data: np.ndarray
    valid: np.ndarray
    bands: tuple[str, ...]
    spacing: tuple[float, ...] | None
    unit: str
    geometry: Geometry


Window = tuple[slice, ...]
"""A part of an image: where it starts and stops along each axis."""


def cropped(geometry: Geometry, window: Window) -> Geometry:
    """The place of a part of a picture or raster.

    Raises:
        ValueError: If the image is a volume.
    """
    if isinstance(geometry, VolumeGeometry):
        raise ValueError("windows are parts of 2D images, and this is a volume")
    size = tuple(part.stop - part.start for part in window)
    if isinstance(geometry, PictureGeometry):
        return PictureGeometry(size)
    row, column = (part.start for part in window)
    t = geometry.transform
    moved = type(t)(t.a, t.b, t.c + t.a * column + t.b * row, t.d, t.e, t.f + t.d * column + t.e * row)
    return RasterGeometry(
        size=size,
        crs=geometry.crs,
        transform=t if t.is_identity else moved,
        gcps=([], None),  # they count the whole image's pixels
        rpcs=None,
        point=geometry.point,
    )


def has_data(data: np.ndarray, nodata: float) -> np.ndarray:
    """Bands (C, *size) to (*size): False where the value ``nodata`` says that nothing was measured.

    A filler such as -9999 counts in any band, since a pixel that lacks one band cannot be judged. Zero, and
    any value of 8-bit data, are also measured and count only where all bands agree, as in GDAL's masks.
    """
    ordinary = nodata == 0 or data.dtype.itemsize == 1
    found = data[0] != nodata
    for band in data[1:]:  # one at a time, as there may be many
        (np.logical_or if ordinary else np.logical_and)(found, band != nodata, out=found)
    return np.asarray(found)


def same_place(a: Geometry, b: Geometry) -> bool:
    """Whether two images of one size coincide to half a pixel, as far as both tell where they lie.

    Headers of masks differ from their image's in the last digits, which is no reason to refuse them.
    """
    if isinstance(a, VolumeGeometry) and isinstance(b, VolumeGeometry):
        return _coincide(a.affine, b.affine, a.size)
    if isinstance(a, RasterGeometry) and isinstance(b, RasterGeometry):
        placed = not (a.transform.is_identity or b.transform.is_identity)
        return not placed or _coincide(_matrix(a.transform), _matrix(b.transform), a.size)
    return True


def _matrix(transform: Any) -> np.ndarray:
    return np.array(tuple(transform)[:6]).reshape(2, 3)


def _coincide(a: np.ndarray, b: np.ndarray, size: tuple[int, ...]) -> bool:
    """Largest distance of the corners of both images, against the shorter pixel edge."""
    ndim = len(size)
    corners = np.array(list(np.ndindex(*[2] * ndim))) * size[::-1]  # affines count (x, y[, z])
    moved = (a - b)[:ndim] @ np.c_[corners, np.ones(len(corners))].T
    edges = np.linalg.norm(a[:ndim, :ndim], axis=0)
    return bool(np.linalg.norm(moved, axis=0).max() <= edges.min() / 2)
