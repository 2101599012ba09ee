"""NIfTI volumes through nibabel: canonical for the network, the file's own orientation on the way back."""

import gzip
import math
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError, reading, replacing
from .geometry import Rows, VolumeGeometry
from .source import Source, piece
from .volume import finite, from_canonical, nibabel, place_volume, spacing_of, to_canonical

SUFFIXES = (".nii", ".nii.gz")

# what the header's length unit is in millimetres; unknown is taken for millimetres, as all viewers do
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


class VolumeSource(Source):
    """A volume as (C, z, y, x), flipped and transposed (never resampled) to the closest canonical axes.

    The header's intensity scaling is applied. A fourth axis, or a fifth after one of length 1, is channels.
    A compressed file that is read in pieces is unpacked to a temporary file first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path, "NIfTI"):
            self._file: Any = nibabel().load(path)
            shape = self._file.shape
            kind = self._file.get_data_dtype().kind
            unit = self._file.header.get_xyzt_units()[0]
            affine = np.array(self._file.affine)
        if not (2 <= len(shape) <= 4 or (len(shape) == 5 and shape[3] == 1)) or kind not in "iuf":
            raise FileError(
                f"{path}: has shape {shape} and type {self._file.get_data_dtype()}; "
                "a volume is (x, y, z) or (x, y, z, channels) of integers or floats"
            )
        geometry = place_volume(path, shape[:3], affine, suffix=".nii.gz", header=self._file.header.copy())
        with reading(path, "NIfTI"):
            corner = self._file.dataobj[(slice(0, 1),) * len(shape)]
        self.geometry: VolumeGeometry
        super().__init__(
            geometry,
            shape[-1] if len(shape) > 3 else 1,
            corner.dtype.newbyteorder("="),
            spacing=spacing_of(geometry, _MILLIMETRES[unit]),
            unit="mm",
        )
        self._unpacked: Any = None

    def read(self, first: int, last: int) -> Rows:
        """Canonical slices, from bottom to top."""
        with reading(self._path, "NIfTI"):
            values = self._values(first, last)
        data = np.ascontiguousarray(values.astype(self.dtype, copy=False))
        return Rows(data, finite(data))

    def close(self) -> None:
        """Remove what was unpacked."""
        if self._unpacked is not None:
            self._unpacked.close()

    def _values(self, first: int, last: int) -> np.ndarray:
        """Slices of the canonical volume (C, z, y, x)."""
        shape = self._file.shape
        if (first, last) == (0, self.size[0]):
            values = np.asanyarray(self._file.dataobj)
        else:
            axis, along = _file_slices(self.geometry, first, last)
            where = [slice(None)] * len(shape)
            parts = []
            # a few at a time across the file's slowest axis, since nibabel reads what lies between, too
            step = shape[2] if axis == 2 else piece((shape[2], *shape[:2]), self.dtype.itemsize)
            for begin in range(0, shape[2], step):
                where[2] = slice(begin, begin + step)
                where[axis] = along
                parts.append(self._seekable().dataobj[tuple(where)])
            values = np.concatenate(parts, axis=2)
        values = values.reshape(*(*values.shape[:3], 1)[:3], self.count)
        return to_canonical(values, self.geometry)

    def _seekable(self) -> Any:
        """The file itself, or what a compressed one unpacks to."""
        if self._path.suffix.lower() != ".gz":
            return self._file
        if self._unpacked is None:
            self._unpacked = tempfile.NamedTemporaryFile(suffix=".nii")  # noqa: SIM115  # closed with this
            # no more than the header announces, whatever else is packed
            rest = (
                self._file.dataobj.offset + math.prod(self._file.shape) * self._file.get_data_dtype().itemsize
            )
            with gzip.open(self._path, "rb") as packed:
                while rest > 0 and (part := packed.read(min(rest, 2**20))):
                    rest -= self._unpacked.write(part)
            self._unpacked.flush()
            self._file = nibabel().load(self._unpacked.name)
        return self._file


def write_volume(
    path: Path, slices: Iterable[np.ndarray], like: VolumeGeometry, *, count: int, dtype: str
) -> None:
    """A file with the affine, axes and shape of ``like``; 4D if there are several bands.

    Args:
        slices: The result in canonical axes from bottom to top, in pieces (count, slices, y, x).
    """
    nifti = nibabel()
    shape = like.file_shape if count == 1 else (*like.file_shape, count)
    header = like.header.copy() if like.suffix == ".nii.gz" else _new_header()
    header.extensions.clear()  # they describe the input's intensities, and may name the patient
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    header.set_intent("none")
    header["cal_min"], header["cal_max"] = 0, 0
    kind = nifti.Nifti2Image if isinstance(header, nifti.Nifti2Header) else nifti.Nifti1Image
    # an affine equal to the header's own leaves qform, sform and their codes untouched
    image = kind(np.broadcast_to(np.zeros((), dtype), shape), like.file_affine, header)
    image.update_header()
    with replacing(path) as temporary:
        packed = path.suffix.lower() == ".gz"
        raw = temporary.with_name(temporary.name.removesuffix(".gz") + ".raw") if packed else temporary
        try:
            with raw.open("wb") as file:
                image.header.write_to(file)
                start = image.header.get_data_offset()
                file.truncate(start + math.prod(shape) * np.dtype(dtype).itemsize)
            _fill(raw, slices, like, start, count, image.header.get_data_dtype())
            if packed:
                # neither name nor time, so that equal results are equal files
                with (
                    raw.open("rb") as source,
                    temporary.open("wb") as sink,
                    gzip.GzipFile("", "wb", 1, sink, mtime=0) as target,
                ):
                    shutil.copyfileobj(source, target, 2**20)
        finally:
            if packed:
                raw.unlink(missing_ok=True)


def _fill(
    path: Path, slices: Iterable[np.ndarray], like: VolumeGeometry, start: int, count: int, dtype: np.dtype
) -> None:
    """Put slices into a file of zeros whose values begin at byte ``start``."""
    shape = (*(*like.file_shape, 1)[:3], count)
    first = 0
    for block in slices:
        last = first + block.shape[1]
        axis, along = _file_slices(like, first, last)
        values = from_canonical(block, like)
        step = shape[2] if axis == 2 else piece((shape[2], *shape[:2]), dtype.itemsize * count)
        for begin in range(0, shape[2], step):
            # mapped anew each time: what was touched counts as this process's memory until it is let go
            target = np.memmap(path, dtype, "r+", start, shape, order="F")
            where = [slice(None), slice(None), slice(begin, begin + step), slice(None)]
            part = values if axis == 2 else values[tuple(where)]
            where[axis] = along
            target[tuple(where)] = part
            del target
        first = last


def _file_slices(like: VolumeGeometry, first: int, last: int) -> tuple[int, slice]:
    """The file's axis along which canonical slices lie, and where these are on it."""
    axis = int(np.argmax(like.axes[:, 0] == 2))
    if like.axes[axis, 1] > 0:
        return axis, slice(first, last)
    return axis, slice(like.size[0] - last, like.size[0] - first)


def _new_header() -> Any:
    """For volumes of other formats, whose world is in millimetres."""
    header = nibabel().Nifti1Header()
    header.set_xyzt_units("mm")
    return header
