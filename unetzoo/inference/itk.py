"""NRRD and MetaImage volumes through SimpleITK, with the affine that NIfTI would have."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .files import FileError, reading, replacing
from .geometry import VolumeGeometry
from .volume import LPS, WholeVolume, from_canonical, place_volume

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_ONE_FILE = {".nhdr": ".nrrd", ".mhd": ".mha"}


def open_itk(path: Path) -> WholeVolume:
    """A volume, or one of vectors, whose components are channels."""
    sitk = _sitk()
    _require_voxels(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with reading(path, "NRRD or MetaImage"):
        reader.ReadImageInformation()
        ndim, shape = reader.GetDimension(), tuple(int(n) for n in reader.GetSize())
        name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if ndim not in (2, 3) or "complex" in name or "label" in name:
        raise FileError(f"{path}: has {ndim} axes of {name}; a volume is (x, y, z) of integers or floats")
    affine = np.eye(4)
    directions = np.reshape(reader.GetDirection(), (ndim, ndim))
    affine[:ndim, :ndim] = directions * np.array(reader.GetSpacing())
    affine[:ndim, 3] = reader.GetOrigin()
    count = int(reader.GetNumberOfComponents())

    def load() -> np.ndarray:
        with reading(path, "NRRD or MetaImage"):
            values = sitk.GetArrayFromImage(reader.Execute())
        return np.asarray(values.reshape(*(1, *shape[::-1])[-3:], count).transpose(2, 1, 0, 3))

    suffix = path.suffix.lower()
    geometry = place_volume(path, (*shape, 1)[:3], LPS @ affine, suffix=_ONE_FILE.get(suffix, suffix))
    one = sitk.Image([1] * 3, reader.GetPixelID(), count)
    return WholeVolume(geometry, count, sitk.GetArrayViewFromImage(one).dtype, load)


def write_itk(
    path: Path, slices: Iterable[np.ndarray], like: VolumeGeometry, *, count: int, dtype: str
) -> None:
    """A compressed volume, of vectors if there are several bands, with the axes and place of ``like``."""
    sitk = _sitk()
    whole = np.empty((count, *like.size), dtype)
    first = 0
    for piece in slices:
        whole[:, first : first + piece.shape[1]] = piece
        first += piece.shape[1]
    values = from_canonical(whole, like).transpose(2, 1, 0, 3)
    vectors = count > 1
    image = sitk.GetImageFromArray(np.ascontiguousarray(values if vectors else values[..., 0]), vectors)
    affine = LPS @ like.file_affine
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((affine[:3, :3] / lengths).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    with replacing(path) as temporary:
        sitk.WriteImage(image, str(temporary), True)


def _require_voxels(path: Path) -> None:
    """Refuse files that should hold their voxels and name another file for them."""
    named = {".nrrd": (b"data file:", b"datafile:"), ".mha": (b"elementdatafile",)}
    with path.open("rb") as file:
        for line in file.read(2**16).lower().splitlines():
            if line.startswith(named.get(path.suffix.lower(), ())) and not line.endswith(b"local"):
                raise FileError(f"{path}: its voxels are in another file; give it the ending .nhdr or .mhd")
            if not line or line.startswith(b"elementdatafile"):  # here headers end
                return


def _sitk() -> Any:
    try:
        import SimpleITK
    except ImportError as error:
        raise ImportError(
            "NRRD and MetaImage files need SimpleITK: pip install 'unetzoo[itk]' or 'unetzoo-runtime[itk]'"
        ) from error
    return SimpleITK
