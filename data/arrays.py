"""Decoding and writing what raw downloads hold. Each function needs numpy and the library it names."""

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Colour = tuple[int, int, int]


def library(name: str) -> Any:
    """A library that is imported only where it is needed.

    Raises:
        ImportError: Saying how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed to read this download: pip install {name}") from error


def read_picture(path: Path) -> np.ndarray:
    """(H, W), or (H, W, 3) of a colour picture, as it is seen (EXIF orientation applied). Pillow."""
    picture = _opened(path)
    return np.asarray(picture.convert("RGB") if picture.mode in ("P", "RGBA") else picture)


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8, colours and palettes by their brightness, as it is seen. Pillow."""
    return np.asarray(_opened(path).convert("L"))


def read_pages(path: Path) -> list[np.ndarray]:
    """The pages of a TIFF file. Pillow."""
    from PIL import Image, ImageSequence

    with Image.open(path) as picture:
        return [np.array(page) for page in ImageSequence.Iterator(picture)]


def ids_of_colours(path: Path, ids: Mapping[Colour, int]) -> np.ndarray:
    """Ids (H, W) uint8 of a colour mask. Pillow.

    Where all colours are made of 0 and 255, values between count as the nearer one: a few labels are smeared.

    Raises:
        ValueError: If the mask has a colour without an id.
    """
    picture = read_picture(path).astype(np.uint32)
    if {value for colour in ids for value in colour} <= {0, 255}:
        picture = (picture > 127) * np.uint32(255)
    packed = picture[..., 0] << 16 | picture[..., 1] << 8 | picture[..., 2]
    result = np.zeros(packed.shape, np.uint8)
    known = np.zeros(packed.shape, bool)
    for (red, green, blue), number in ids.items():
        here = packed == (red << 16 | green << 8 | blue)
        result[here] = number
        known |= here
    if not known.all():
        odd = int(packed[~known][0])
        raise ValueError(
            f"{path}: has the colour {(odd >> 16, odd >> 8 & 255, odd & 255)} in {(~known).sum()} pixels, "
            "which stands for no class"
        )
    return result


def from_runs(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """Kaggle's runs of pixels, first and length in turn, down the columns from 1, as a mask (H, W).

    Raises:
        ValueError: If a run leaves the picture, or the text is no list of runs.
    """
    numbers = text.split()
    if len(numbers) % 2 or not all(number.isdigit() for number in numbers):
        raise ValueError(f"runs are pairs of a first pixel and a length, unlike '{text[:40]}'")
    height, width = shape
    mask = np.zeros(width * height, bool)
    for first, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
        if not 1 <= first <= first + length - 1 <= len(mask):
            raise ValueError(
                f"a run of {length} pixels from {first} on leaves a picture of {height} x {width}"
            )
        mask[first - 1 : first - 1 + length] = True
    return mask.reshape(width, height).T


def save_ids(path: Path, ids: np.ndarray) -> Path:
    """Write ids (H, W) as a PNG of 8 bits, or of 16 if there are as many, and return where. Pillow."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids.astype(np.uint8 if ids.max(initial=0) < 256 else np.uint16)).save(path)
    return path


def save_tiff(path: Path, bands: np.ndarray, *, names: Sequence[str] = (), **profile: Any) -> Path:
    """Write bands (C, H, W) as a TIFF in their own type, and return where. rasterio.

    Args:
        names: Descriptions of the bands.
        profile: ``crs``, ``transform``, ``nodata`` and whatever else rasterio takes.
    """
    import rasterio

    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    options = {"driver": "GTiff", "dtype": bands.dtype.name, "compress": "deflate", **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", count=count, height=height, width=width, **options) as file:
            file.write(bands)
            for i, name in enumerate(names, start=1):
                file.set_band_description(i, name)
    return path


def save_slice(folder: Path, name: str, image: np.ndarray, label: np.ndarray) -> tuple[Path, Path]:
    """Write a slice (H, W) as a float TIFF and its ids as a PNG, and return where. rasterio and Pillow."""
    picture = save_tiff(folder / "images" / f"{name}.tif", image[None].astype(np.float32))
    return picture, save_ids(folder / "masks" / f"{name}.png", label)


def save_volume(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    """Write voxels (x, y, z) or (x, y, z, channel) as NIfTI, and return where. nibabel."""
    nibabel = library("nibabel")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


def stack_volumes(path: Path, channels: Sequence[Path]) -> Path:
    """Write NIfTI files of one grid as the channels of one file, and return where. nibabel."""
    nibabel = library("nibabel")
    volumes = [nibabel.load(channel) for channel in channels]
    for channel, volume in zip(channels, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise ValueError(f"{channel}: has the shape {volume.shape}, {channels[0]} has {volumes[0].shape}")
    voxels = np.stack([np.asanyarray(volume.dataobj) for volume in volumes], axis=-1)
    if voxels.dtype == np.float64:  # nibabel's, where a header scales integers
        voxels = voxels.astype(np.float32)
    return save_volume(path, voxels, volumes[0].affine)


def stack_rasters(path: Path, channels: Sequence[Path], *, names: Sequence[str] = ()) -> Path:
    """Write pictures or rasters of one grid as the bands of one TIFF, and return where. rasterio."""
    import rasterio

    bands, place = [], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        for channel in channels:
            with rasterio.open(channel) as file:
                bands.append(file.read())
                place = {"crs": file.crs, "transform": file.transform} if file.crs else {}
    return save_tiff(path, np.concatenate(bands), names=names, **place)


def on_grid_of(image: Path, mask: Path, path: Path) -> Path:
    """The mask if its header places it on the image, else a copy at `path` with the image's place. nibabel.

    For sets whose masks are drawn voxel by voxel, but whose headers disagree.
    """
    nibabel = library("nibabel")
    here, there = nibabel.load(image), nibabel.load(mask)
    if here.shape[:3] != there.shape[:3]:
        raise ValueError(f"{mask}: has the shape {there.shape}, its image {here.shape}")
    if np.allclose(here.affine, there.affine, atol=1e-2):
        return mask
    return save_volume(path, np.asarray(there.dataobj).astype(np.uint8), here.affine)


def _opened(path: Path) -> Any:
    """A picture of any size: orthophotos are large, and come from the user's own disk."""
    from PIL import Image, ImageOps

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture)
    finally:
        Image.MAX_IMAGE_PIXELS = before
