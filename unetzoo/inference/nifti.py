"""NIfTI volumes through nibabel: canonical for the network, the file's own orientation on the way back."""

from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError, existing, reading, replacing
from .geometry import Image, VolumeGeometry

SUFFIXES = (".nii", ".nii.gz")

# what the header's length unit is in millimetres; unknown is taken for millimetres, as all viewers do
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


def read_volume(path: Path) -> Image:
    """The volume as (C, z, y, x), flipped and transposed (never resampled) to the closest canonical axes.

    The header's intensity scaling is applied. A fourth axis, or a fifth after one of length 1, is channels.
    """
    data, geometry = _load(path)
    valid = np.isfinite(data).all(axis=0) if data.dtype.kind == "f" else np.ones(data.shape[1:], bool)
    with reading(path, "NIfTI"):
        unit = geometry.header.get_xyzt_units()[0]
    lengths = np.linalg.norm(geometry.affine[:3, :3], axis=0) * _MILLIMETRES[unit]  # (x, y, z)
    spacing = tuple(float(length) for length in lengths[::-1])
    return Image(data, valid, (), spacing, "mm", geometry)


def read_volume_mask(path: Path) -> tuple[np.ndarray, VolumeGeometry]:
    """Raw ids (z, y, x), or (K, z, y, x) of a file with channels, in canonical axes."""
    data, geometry = _load(path)
    return data[0] if len(data) == 1 else data, geometry


def write_volume(path: Path, data: np.ndarray, like: VolumeGeometry) -> None:
    """(z, y, x) or (K, z, y, x) in canonical axes to a file with the affine, axes and shape of ``like``."""
    nibabel = _nibabel()
    canonical = np.stack([np.arange(3), np.ones(3)], axis=1)
    # reversing all axes gives (x, y, z[, K])
    values: np.ndarray = nibabel.orientations.apply_orientation(
        data.T, nibabel.orientations.ornt_transform(canonical, like.axes)
    )
    values = values.reshape(*like.file_shape, *values.shape[3:])
    header = like.header.copy()
    header.extensions.clear()  # they describe the input's intensities, and may name the patient
    header.set_data_dtype(values.dtype)
    header.set_slope_inter(1, 0)
    header.set_intent("none")
    header["cal_min"], header["cal_max"] = 0, 0
    kind = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    # an affine equal to the header's own leaves qform, sform and their codes untouched
    with replacing(path) as temporary:
        nibabel.save(kind(np.ascontiguousarray(values), like.file_affine, header), temporary)


def _load(path: Path) -> tuple[np.ndarray, VolumeGeometry]:
    nibabel = _nibabel()
    existing(path)
    with reading(path, "NIfTI"):
        volume: Any = nibabel.load(path)
        values = np.asanyarray(volume.dataobj)
        affine = np.array(volume.affine)
    shape = values.shape
    if not (2 <= len(shape) <= 4 or (len(shape) == 5 and shape[3] == 1)) or values.dtype.kind not in "iuf":
        raise FileError(
            f"{path}: has shape {shape} and type {values.dtype}; "
            "a volume is (x, y, z) or (x, y, z, channels) of integers or floats"
        )
    channels = shape[-1] if len(shape) > 3 else 1
    spatial = shape[:3]
    orientations = nibabel.orientations
    axes = orientations.io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(axes).any():
        raise FileError(
            f"{path}: the affine in its header is degenerate, so its axes have no direction; repair it"
        )
    values = values.reshape(*(*spatial, 1)[:3], channels)
    values = orientations.apply_orientation(values, axes).transpose(3, 2, 1, 0)
    geometry = VolumeGeometry(
        size=values.shape[1:],
        affine=affine @ orientations.inv_ornt_aff(axes, (*spatial, 1)[:3]),
        header=volume.header.copy(),
        axes=axes,
        file_affine=affine,
        file_shape=spatial,
    )
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)), geometry


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise ImportError("NIfTI files need nibabel: pip install 'unetzoo-runtime[med]'") from error
    return nibabel
