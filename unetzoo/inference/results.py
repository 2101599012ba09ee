"""Writing results in the place of their image, whatever the format."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import dicom, itk, ngff, nifti, pages, pictures, raster
from .contract import IGNORE, ClassSpec
from .files import replacing, suffix
from .geometry import Geometry, Image, RasterGeometry, VolumeGeometry


@dataclass(frozen=True)
class Result:
    """What a result file holds.

    Args:
        count: Number of bands or layers.
        dtype: uint8 of label maps, float32 of anything else.
        nodata: What a GeoTIFF marks as no data.
        names: Of the bands, for the GeoTIFF.
        classes: With colours, of a label map.
        layers: Whether this is something else than one label per pixel, which a PNG cannot hold.
    """

    count: int
    dtype: str
    nodata: float
    names: tuple[str, ...] = ()
    classes: tuple[ClassSpec, ...] = ()
    layers: bool = True

    @property
    def numbers(self) -> bool:
        """Whether it is numbers and no labels, which a DICOM segmentation cannot hold."""
        return self.dtype != "uint8"


def labels_of(classes: Sequence[ClassSpec], *, many: bool) -> Result:
    """The file of a label map; ``many`` for one layer per class."""
    if many:
        return Result(len(classes), "uint8", IGNORE, tuple(c.name for c in classes), tuple(classes))
    return Result(1, "uint8", IGNORE, ("class",), tuple(classes), layers=False)


def write_result(
    path: Path, rows: Iterable[np.ndarray], like: Geometry, what: Result, *, cloud: bool = False
) -> None:
    """A result in the place of an image, in the format of ``path``, which only appears when it is complete.

    Args:
        rows: Pieces (count, rows, *rest) along the first axis, in order, of any height.
        cloud: Make a GeoTIFF a cloud-optimised one.

    Raises:
        ValueError: If the format would lose the image's place or the result's layers.
    """
    require_format(path, like, layers=what.layers, numbers=what.numbers)
    if path.suffix.lower() == ".npy":
        _write_array(path, rows, like, what)
    elif isinstance(like, VolumeGeometry):
        if suffix(path) in dicom.SUFFIXES:
            dicom.write_segmentation(path, np.concatenate([*rows], axis=1), like, what.classes)
        elif suffix(path) == pages.SUFFIX:
            pages.write_pages(path, rows, like)
        else:
            writers = {".nrrd": itk.write_itk, ".mha": itk.write_itk, ngff.SUFFIX: ngff.write_zarr}
            write = writers.get(suffix(path), nifti.write_volume)
            write(path, rows, like, count=what.count, dtype=what.dtype)
    elif path.suffix.lower() == ".png":
        labels = np.concatenate([piece[0] for piece in rows])
        pictures.write_picture_labels(path, labels, what.classes)
    else:
        assert isinstance(like, RasterGeometry)
        raster.write_raster(
            path,
            rows,
            like,
            count=what.count,
            dtype=what.dtype,
            nodata=what.nodata,
            names=what.names,
            colours=what.classes,
            overviews="mode" if what.dtype == "uint8" else "average",
            cloud=cloud,
        )


def output_suffix(geometry: Geometry, *, layers: bool = False, numbers: bool = False) -> str:
    """Ending of the files that keep an image's place.

    Args:
        layers: For results with several bands.
        numbers: For results that are no labels; they need several bands in pictures, too.
    """
    if isinstance(geometry, VolumeGeometry):
        if geometry.suffix == pages.SUFFIX and (layers or numbers):
            return ".npy"
        return ".nii.gz" if numbers and geometry.suffix == dicom.SUFFIX else geometry.suffix
    if isinstance(geometry, RasterGeometry):
        return ".tif"
    return ".npy" if layers or numbers else ".png"


def write_labels(path: str | Path, labels: np.ndarray, like: Image, classes: Sequence[ClassSpec]) -> None:
    """A label map in the place of ``like``, in the format of ``path``.

    GeoTIFF and PNG carry the classes' colours; no-data is 255 (in GeoTIFF marked as nodata).

    Args:
        labels: uint8 (*size) of class indices, or (K, *size) of 0 and 1 for classes that overlap.
    """
    labels = np.asarray(labels, np.uint8)
    layers = labels[None] if labels.ndim == like.valid.ndim else labels
    result = labels_of(classes, many=labels.ndim > like.valid.ndim)
    write_result(Path(path), [layers], like.geometry, result)


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
    values = np.asarray(values, np.float32)
    write_result(Path(path), [values], like.geometry, Result(len(values), "float32", math.nan, tuple(names)))


def require_format(path: Path, like: Geometry, *, layers: bool, numbers: bool = False) -> None:
    """Refuse a format that would lose the image's place or the result's layers."""
    allowed: tuple[str, ...]
    if isinstance(like, VolumeGeometry):
        allowed = (*nifti.SUFFIXES, ".nrrd", ".mha", ngff.SUFFIX)
        if like.suffix == dicom.SUFFIX and not numbers:
            allowed += (dicom.SUFFIX,)
        if like.suffix == pages.SUFFIX:
            allowed += (".npy",) if layers or numbers else (pages.SUFFIX,)
    elif isinstance(like, RasterGeometry) and (like.georeferenced or layers):
        allowed = raster.SUFFIXES
    elif isinstance(like, RasterGeometry):
        allowed = (*raster.SUFFIXES, ".png")
    else:
        allowed = (".npy",) if layers else (".png",)
    if suffix(path) not in allowed:
        raise ValueError(
            f"{path}: cannot hold this result; give the file one of the endings {', '.join(allowed)}"
        )


def _write_array(path: Path, rows: Iterable[np.ndarray], like: Geometry, what: Result) -> None:
    with replacing(path) as temporary:
        shape, first = (what.count, *like.size), 0
        np.lib.format.open_memmap(temporary, "w+", what.dtype, shape)
        for piece in rows:
            # mapped anew each time: what was touched counts as this process's memory until it is let go
            target = np.lib.format.open_memmap(temporary, "r+")
            target[:, first : first + piece.shape[1]] = piece
            first += piece.shape[1]
            del target
