"""Volumes in zarr: OME-Zarr's first level or a bare array, read and written a few slices at a time."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError, reading
from .geometry import Rows, VolumeGeometry
from .source import Source
from .volume import finite, place_volume, spacing_of

SUFFIX = ".zarr"

_MILLIMETRES = {"millimeter": 1.0, "micrometer": 1e-3, "nanometer": 1e-6, "centimeter": 10.0, "meter": 1e3}


class ZarrSource(Source):
    """An array (z, y, x), or (c, z, y, x), in the order in which it is stored.

    OME-Zarr names its axes, and says how large voxels are; its axis t must have length 1. The axes of a bare
    array are those of its shape, and its voxels have no size.
    """

    def __init__(self, path: Path) -> None:
        zarr = _zarr()
        self._path = path
        with reading(path, "zarr"):
            opened = zarr.open(str(path), mode="r")
            self._array, names, scale, self.header = _level(opened)
            shape = tuple(int(n) for n in self._array.shape)
            names = names or ("c", "z", "y", "x")[-len(shape) :]
        if names[-3:] != ("z", "y", "x") or any(
            n != 1 for n, name in zip(shape, names, strict=True) if name not in "czyx"
        ):
            raise FileError(
                f"{path}: has the axes {', '.join(f'{n} {s}' for n, s in zip(names, shape, strict=True))}; a "
                "volume has z, y and x, channels c before them, and one point in time"
            )
        if self._array.dtype.kind not in "iuf":
            raise FileError(f"{path}: holds {self._array.dtype}; a volume is of integers or floats")
        affine = np.diag([*(scale or (1.0, 1.0, 1.0))[::-1], 1.0])
        geometry = place_volume(path, shape[:-4:-1], affine, suffix=SUFFIX, header=self.header)
        self._channel = names.index("c") if "c" in names else None
        self._before = len(names) - 3
        z, y, x = (int(c) for c in self._array.chunks[-3:])
        super().__init__(
            geometry,
            1 if self._channel is None else shape[self._channel],
            np.dtype(self._array.dtype).newbyteorder("="),
            spacing=spacing_of(geometry) if scale else None,
            unit="mm" if scale else "px",
            # whole chunks are decoded
            held=2 * z * -(-shape[-2] // y) * y * -(-shape[-1] // x) * x * self._array.dtype.itemsize,
        )

    def read(self, first: int, last: int) -> Rows:
        """Slices as they are stored."""
        where = [slice(None) if axis == self._channel else 0 for axis in range(self._before)]
        with reading(self._path, "zarr"):
            data = np.asarray(self._array[(*where, slice(first, last))])
        data = data.reshape(self.count, last - first, *self.size[1:]).astype(self.dtype, copy=False)
        return Rows(data, finite(data))


def write_zarr(
    path: Path, slices: Iterable[np.ndarray], like: VolumeGeometry, *, count: int, dtype: str
) -> None:
    """An OME-Zarr 0.4 volume of one level, with channels for several bands, in the place of ``like``.

    Slices are written as they come; a folder of that name is replaced when all are there.
    """
    zarr = _zarr()
    if (
        not np.allclose(like.file_affine[:3, :3], np.diag(np.diag(like.file_affine)[:3]), atol=1e-6)
        or (np.diag(like.file_affine) <= 0).any()
    ):
        raise ValueError(f"{path}: zarr has no orientation, which this volume has; write it as nii.gz")
    temporary = path.with_name(f".new-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    shape = like.size if count == 1 else (count, *like.size)
    names = ("c", "z", "y", "x")[-len(shape) :]
    try:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=2)
        chunks = (1,) * (len(shape) - 3) + tuple(min(n, 64) for n in like.size)
        # OME-Zarr 0.4 wants one folder per axis
        array = group.create_array(
            "0", shape=shape, dtype=dtype, chunks=chunks, chunk_key_encoding={"name": "v2", "separator": "/"}
        )
        group.attrs["multiscales"] = [_multiscale(names, like)]
        first = 0
        for piece in slices:
            last = first + piece.shape[1]
            array[..., first:last, :, :] = piece if count > 1 else piece[0]
            first = last
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _multiscale(names: tuple[str, ...], like: VolumeGeometry) -> dict[str, Any]:
    kind = {"c": {"type": "channel"}}
    axes = [{"name": n, **kind.get(n, {"type": "space", "unit": "millimeter"})} for n in names]
    scale = [1.0] * (len(names) - 3) + list(spacing_of(like))
    return {
        "version": "0.4",
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
    }


def _level(opened: Any) -> tuple[Any, tuple[str, ...] | None, tuple[float, ...] | None, Any]:
    """The finest array, its axes' names, millimetres per voxel (z, y, x), and what it says of itself."""
    if hasattr(opened, "shape"):
        return opened, None, None, None
    about: Mapping[str, Any] = opened.attrs.asdict()
    about = about.get("ome", about)  # from OME-Zarr 0.5 on
    if "multiscales" not in about:
        raise FileError(f"{opened.store_path}: is a group without multiscales; name one of its arrays")
    first = about["multiscales"][0]
    level = first["datasets"][0]
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in first["axes"]]
    scales = [t["scale"] for t in level.get("coordinateTransformations", ()) if t["type"] == "scale"]
    scale = None
    if scales and all("unit" in axis for axis in axes[-3:]):
        units = [_MILLIMETRES.get(axis["unit"]) for axis in axes[-3:]]
        if None not in units:
            scale = tuple(s * (u or 1.0) for s, u in zip(scales[0][-3:], units, strict=True))
    return opened[level["path"]], tuple(axis["name"] for axis in axes), scale, about


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError(
            "zarr volumes need zarr: pip install 'unetzoo[zarr]' or 'unetzoo-runtime[zarr]'"
        ) from error
    return zarr
