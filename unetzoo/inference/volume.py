"""Volumes of any format: the closest canonical axes for the network, the file's own on the way back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError
from .geometry import Rows, VolumeGeometry
from .source import Source

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Between the world of DICOM and ITK (left, posterior, superior) and that of NIfTI (RAS), both ways."""


def place_volume(
    path: Path, shape: tuple[int, ...], affine: np.ndarray, *, suffix: str, header: Any = None
) -> VolumeGeometry:
    """The geometry of a file whose voxels (i, j, k) are where ``affine`` (4, 4) puts them in the RAS world.

    Args:
        shape: Of the file's voxels; axes that are missing at its end have length 1.
        suffix: Ending of results that keep the place.

    Raises:
        FileError: If the affine is degenerate.
    """
    orientations = nibabel().orientations
    axes = orientations.io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(axes).any():
        raise FileError(
            f"{path}: the affine in its header is degenerate, so its axes have no direction; repair it"
        )
    spatial = (*shape[:3], 1)[:3]
    return VolumeGeometry(
        size=tuple(spatial[int(np.argmax(axes[:, 0] == axis))] for axis in (2, 1, 0)),
        affine=affine @ orientations.inv_ornt_aff(axes, spatial),
        header=header,
        axes=axes,
        file_affine=affine,
        file_shape=shape[:3],
        suffix=suffix,
    )


def to_canonical(values: np.ndarray, like: VolumeGeometry) -> np.ndarray:
    """Voxels of a file, or slices of it, (i, j, k, C) to (C, z, y, x); a view."""
    oriented = nibabel().orientations.apply_orientation(values, like.axes)
    return np.asarray(oriented.transpose(3, 2, 1, 0))


def from_canonical(block: np.ndarray, like: VolumeGeometry) -> np.ndarray:
    """The inverse: (C, z, y, x) to (i, j, k, C); a view."""
    orientations = nibabel().orientations
    back = orientations.ornt_transform(np.stack([np.arange(3), np.ones(3)], axis=1), like.axes)
    return np.asarray(orientations.apply_orientation(block.T, back))  # reversing all axes gives (x, y, z, C)


def spacing_of(geometry: VolumeGeometry, unit: float = 1.0) -> tuple[float, ...]:
    """Millimetres per voxel along (z, y, x), where the affine counts in ``unit`` millimetres."""
    lengths = np.linalg.norm(geometry.affine[:3, :3], axis=0) * unit  # (x, y, z)
    return tuple(float(length) for length in lengths[::-1])


class WholeVolume(Source):
    """A volume of a format that can only be decoded whole, which is done when rows are first wanted.

    Args:
        load: The file's voxels (i, j, k, C).
    """

    def __init__(
        self, geometry: VolumeGeometry, count: int, dtype: np.dtype, load: Callable[[], np.ndarray]
    ) -> None:
        super().__init__(geometry, count, dtype, spacing=spacing_of(geometry), unit="mm")
        self.geometry: VolumeGeometry
        self.held = count * int(np.prod(geometry.size)) * self.dtype.itemsize
        self._load = load
        self._data: np.ndarray | None = None

    def read(self, first: int, last: int) -> Rows:
        """Canonical slices, from bottom to top."""
        if self._data is None:
            self._data = to_canonical(self._load(), self.geometry)
        data = np.ascontiguousarray(self._data[:, first:last])
        return Rows(data, finite(data))

    def close(self) -> None:
        """Let go of the voxels."""
        self._data = None


def finite(data: np.ndarray) -> np.ndarray:
    """Bands (C, *size) to (*size): where none is NaN or infinite."""
    if data.dtype.kind == "f":
        return np.asarray(np.isfinite(data).all(axis=0))
    return np.ones(data.shape[1:], bool)


def nibabel() -> Any:
    """The package, which knows axes."""
    try:
        import nibabel
    except ImportError as error:
        raise ImportError("volumes need nibabel: pip install 'unetzoo-runtime[med]'") from error
    return nibabel
