"""An image and where its pixels lie in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PictureGeometry:
    """A picture lies nowhere; it has a size (H, W), as it is seen, that is with its EXIF orientation applied."""

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
        return (
            self.crs is not None
            or not self.transform.is_identity
            or bool(self.gcps[0])
            or self.rpcs is not None
        )


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """A NIfTI volume's place in the scanner.

    Args:
        size: (z, y, x) in the closest canonical (RAS) orientation, the order of ``Image.data``.
        header: The file's own header; outputs copy it.
        affine: (4, 4) from the file's voxel indices to millimetres.
        shape: The file's own spatial shape.
        axes: (3, 2) nibabel orientation: which canonical axis each file axis is, and its sign.
    """

    size: tuple[int, ...]
    header: Any
    affine: np.ndarray
    shape: tuple[int, ...]
    axes: np.ndarray


Geometry = PictureGeometry | RasterGeometry | VolumeGeometry


@dataclass(frozen=True, eq=False)
class Image:
    """An image as the network's side sees it.

    Args:
        data: (C, *size) in the file's dtype; volumes are (C, z, y, x) in the closest canonical orientation.
        valid: (*size), False where there is no data: nodata, alpha 0, or NaN or infinity in any band.
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
