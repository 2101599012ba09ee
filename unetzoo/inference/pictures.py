"""Pictures (PNG, JPG, GIF, BMP, WebP) through Pillow."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .contract import IGNORE, ClassSpec
from .files import FileError, existing, reading, replacing
from .geometry import Image, PictureGeometry

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")


def is_deep(path: Path) -> bool:
    """Whether a file is a PNG of 16 bits with several channels, of which Pillow drops the lower eight."""
    with path.open("rb") as file:
        head = file.read(26)  # signature, IHDR: width, height, bit depth at 24, colour type at 25
    return head[:8] == b"\x89PNG\r\n\x1a\n" and head[24:25] == b"\x10" and head[25:26] != b"\x00"


def picture_size(path: Path) -> tuple[int, int]:
    """(H, W) in the file's header."""
    with _opened(path) as picture:
        return picture.height, picture.width


def read_picture(path: Path) -> Image:
    """The first frame as it is seen: EXIF orientation applied, palette as RGB, alpha 0 as no data."""
    picture = _load(path)
    transparent = picture.has_transparency_data
    if picture.mode in ("1", "L", "LA", "La"):
        picture = picture.convert("LA" if transparent else "L")
    elif picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        picture = picture.convert("RGBA" if transparent else "RGB")
    data = np.moveaxis(np.atleast_3d(_native(picture)), -1, 0)
    data, valid = (data[:-1], data[-1] > 0) if transparent else (data, np.ones(data.shape[1:], bool))
    if data.dtype.kind == "f":
        valid = valid & np.isfinite(data).all(axis=0)
    return Image(np.ascontiguousarray(data), valid, (), None, "px", PictureGeometry(valid.shape))


def read_picture_mask(path: Path) -> tuple[np.ndarray, PictureGeometry]:
    """Raw ids (H, W): palette indices, 0 and 1 of a 1-bit picture, grey levels, or the level RGB agrees on.

    A GIF's palette is its writer's invention, so a GIF of greys gives grey levels instead of indices.

    Raises:
        FileError: If the picture has colours, whose meaning only the user knows.
    """
    picture = _load(path)
    ids = _ids(picture, gif=path.suffix.lower() == ".gif")
    if ids is None:
        raise FileError(
            f"{path}: the mask is a colour picture, which does not tell the ids; "
            "convert it to one id per pixel (a grey or palette PNG)"
        )
    return ids, PictureGeometry(ids.shape)


def write_picture_labels(path: Path, labels: np.ndarray, classes: Sequence[ClassSpec]) -> None:
    """Label map (H, W) as a palette PNG in the classes' colours; no-data is index 255, shown transparent."""
    pil = pillow()
    palette = np.zeros((256, 3), np.uint8)
    for index, known in enumerate(classes):
        palette[index] = known.colour
    picture = pil.fromarray(np.ascontiguousarray(labels, np.uint8))
    picture.putpalette(palette.tobytes())
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", transparency=IGNORE)


def _load(path: Path) -> "Picture":
    """The decoded first frame in its own mode, turned as its EXIF data says."""
    with _opened(path) as opened:
        from PIL import ImageOps

        opened.load()
        return ImageOps.exif_transpose(opened)


@contextmanager
def _opened(path: Path) -> Iterator["Picture"]:
    """A picture whose header is read."""
    pil = pillow()
    existing(path)
    with reading(path, "a picture"), warnings.catch_warnings():
        # from twice its limit on Pillow refuses, which is enough; large orthophotos are below
        warnings.simplefilter("ignore", pil.DecompressionBombWarning)
        try:
            with pil.open(path) as opened:
                yield opened
        except pil.DecompressionBombError as error:
            raise FileError(f"{path}: too large for a picture ({error}); store it as a tiled TIFF") from error


def _ids(picture: "Picture", *, gif: bool) -> np.ndarray | None:
    """Pixel ids (H, W); None if there are only colours."""
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    if picture.mode in ("L", "I", "F") or picture.mode.startswith("I;16"):
        return _native(picture)
    if picture.mode in ("LA", "La") or (picture.mode in ("P", "PA") and not gif):
        return np.array(picture.getchannel(0))
    colours = np.asarray(picture.convert("RGB"))
    if (colours == colours[..., :1]).all():
        return np.ascontiguousarray(colours[..., 0])
    return np.array(picture.getchannel(0)) if picture.mode == "P" else None


def _native(picture: "Picture") -> np.ndarray:
    """Pixels in the machine's byte order; Pillow keeps the file's."""
    values = np.asarray(picture)
    return values.astype(values.dtype.newbyteorder("="))


def pillow() -> ModuleType:
    """The package's module of images."""
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError("pictures need Pillow: pip install 'unetzoo-runtime[image]'") from error
    return PIL.Image
