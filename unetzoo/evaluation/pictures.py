"""Pictures of a case as data URIs, and what part of the case they show."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from unetzoo.inference.contract import DataSpec

__all__ = [
    "SIDE",
    "Panels",
    "data_uri",
    "display_size",
    "layer_uri",
    "picture",
    "resize",
    "shown_bands",
    "slice_note",
    "turned",
]

SIDE = 448
"""Longest side of a picture in pixels."""
PLANES = ("axial", "coronal", "sagittal")
"""Slices across the axes of a volume (z, y, x)."""


@dataclass(frozen=True)
class Panels:
    """Data URIs of a picture and of three layers of its size, and what part of the case it is.

    Args:
        caption: That part, and what else one must know to read the layers.
    """

    width: int
    height: int
    picture: str
    reference: str
    prediction: str
    errors: str
    caption: str


def turned(axis: int, index: int) -> tuple[int | slice, ...]:
    """What of a volume (z, y, x) is a slice across an axis, as a reader expects to see it.

    The array runs up and towards anterior and the patient's right; one looks from the feet, the front and the
    patient's left, anterior or the head up.
    """
    back = slice(None, None, -1)
    return tuple(index if other == axis else back for other in range(3))


def slice_note(axis: int, index: int, count: int) -> str:
    """Which slice it is and which way it lies."""
    side = "anterior is left" if axis == 2 else "patient's right is left"
    up = "anterior is up" if axis == 0 else "the head is up"
    return f"{PLANES[axis]} slice {index + 1} of {count}, {side}, {up}"


def shown_bands(data: DataSpec) -> tuple[tuple[int, ...], str]:
    """Bands shown as red, green and blue (or one, as grey), and a note where that is not all of them."""
    names = [name.lower() for name in data.bands]
    natural = (("red", "green", "blue"), ("r", "g", "b"), ("b04", "b03", "b02"), ("b4", "b3", "b2"))
    for wanted in natural:
        if all(name in names for name in wanted):
            chosen = tuple(names.index(name) for name in wanted)
            break
    else:
        # the channels of a volume are modalities, not colours
        chosen = (0, 1, 2) if len(names) >= 3 and data.ndim == 2 else (0,)
    if len(chosen) == len(names):
        return chosen, ""
    words = ", ".join(data.bands[index] for index in chosen)
    return chosen, f"{words} of {len(names)} bands" + (" as red, green, blue" if len(chosen) == 3 else "")


def display_size(size: Sequence[int], spacing: Sequence[float]) -> tuple[int, int]:
    """(H, W) whose longest side is ``SIDE`` and whose proportions are those of the world."""
    height, width = (abs(step) * length for step, length in zip(spacing, size, strict=True))
    factor = SIDE / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def picture(
    pixels: np.ndarray,
    valid: np.ndarray,
    size: tuple[int, int],
    value_range: tuple[float, float] | None = None,
) -> str:
    """Data URI of (1 or 3, H, W) of any type, a checkerboard where invalid.

    Args:
        valid: Bool (H, W).
        size: (H, W) of the picture.
        value_range: What is black and what is white; ``None``: the percentiles 0.5 and 99.5.
    """
    values = pixels.astype(np.float32)
    inside = values[:, valid]
    # colours of 8-bit pictures keep their balance; bands of a raster are stretched one by one
    joint = pixels.dtype == np.uint8
    if value_range is not None:
        ends = np.array(value_range, np.float32)
    elif not inside.size:
        ends = np.zeros((2, 1), np.float32)
    else:
        ends = np.percentile(inside, [0.5, 99.5], axis=None if joint else 1)
    low, high = np.reshape(ends, (2, -1, 1, 1))
    scaled = np.clip((values - low) / np.where(high > low, high - low, 1), 0, 1)
    rows, columns = np.indices(valid.shape) // 8
    board = np.where((rows + columns) % 2, 0.55, 0.7)
    grey = (np.where(valid, np.nan_to_num(scaled), board) * 255).astype(np.uint8)
    made = Pillow.fromarray(np.ascontiguousarray(np.broadcast_to(grey, (3, *valid.shape)).transpose(1, 2, 0)))
    enlarged = size[0] > valid.shape[0]
    how = Pillow.Resampling.BICUBIC if enlarged else Pillow.Resampling.BOX
    return data_uri(made.resize((size[1], size[0]), how), "JPEG", quality=88, subsampling=0)


def resize(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest neighbour, (K, H, W) to (K, *size)."""
    rows, columns = (
        (np.arange(new) + 0.5) * old / new for new, old in zip(size, maps.shape[1:], strict=True)
    )
    return np.asarray(maps[:, rows.astype(int)][:, :, columns.astype(int)])


def layer_uri(index: np.ndarray, palette: Sequence[tuple[int, int, int, int]]) -> str:
    """Data URI of a picture whose pixels (H, W) are indices into colours with opacities."""
    colours = np.array(palette, np.uint8)
    if len(colours) > 256:
        return data_uri(Pillow.fromarray(colours[index]), "PNG")
    # with a palette the file is half as large and ten times as fast to pack
    made = Pillow.fromarray(index.astype(np.uint8))
    made.putpalette(colours[:, :3].tobytes())
    return data_uri(made, "PNG", transparency=colours[:, 3].tobytes())


def data_uri(made: Pillow.Image, kind: str, **options: int | bytes) -> str:
    """The file's bytes, for a page."""
    buffer = io.BytesIO()
    made.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
