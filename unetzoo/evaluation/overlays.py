"""Pictures of a case: the image, and what reference, prediction and their difference put on top of it."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from unetzoo.inference.contract import IGNORE, DataSpec
from unetzoo.inference.geometry import Image

__all__ = ["ERRORS", "Overlays", "draw", "shown_bands"]

SIDE = 448
"""Longest side of a picture in pixels."""
WINDOW = 1024
"""Larger images are shown as a window of this size."""

ERRORS: dict[str, tuple[int, int, int]] = {
    "true positive": (0, 178, 152),
    "false positive": (220, 38, 127),
    "false negative": (60, 130, 255),
    "wrong class": (255, 176, 0),
    "not labelled": (128, 128, 128),
}
"""Meaning to colour; told apart by people with any colour vision (after IBM's palette)."""


@dataclass(frozen=True)
class Overlays:
    """Data URIs of a picture and of three transparent layers of its size, and what part of the case it is."""

    width: int
    height: int
    picture: str
    reference: str
    prediction: str
    errors: str
    caption: str


PLANES = ("axial", "coronal", "sagittal")
"""Slices across the axes of a volume (z, y, x)."""


def draw(
    image: Image, reference: np.ndarray, prediction: np.ndarray, data: DataSpec, classes: Sequence[int]
) -> tuple[Overlays, ...]:
    """Draw a whole case.

    A volume is shown by the slice of each of three planes with most reference foreground, a large image by
    the window with most errors. Outlines are in the classes' colours.

    Args:
        reference: Label map (*size), or (K, *size) if multilabel, 255 where there is no label.
        prediction: Likewise.
        classes: Indices of the classes to draw.
    """
    spacing = image.spacing or (1.0,) * image.valid.ndim
    if image.valid.ndim == 2:
        box, note = _window(reference, prediction, data, classes)
        at: tuple[Any, ...] = (..., *box)
        image = replace(image, data=image.data[at], valid=image.valid[at])
        masks = _stack(reference[at], prediction[at], data, classes)
        return (_panel(image, *masks, (slice(None),) * 2, spacing, note, data, classes),)
    wanted, found, unlabelled = _stack(reference, prediction, data, classes)
    panels = []
    filled = (wanted if wanted.any() else found).any(0)
    for axis, plane in enumerate(PLANES):
        others = tuple(other for other in range(3) if other != axis)
        index = int(filled.sum(others).argmax())
        # the array runs up and towards anterior and the patient's right; one looks from the feet, the front
        # and the patient's left, anterior or the head up
        back = slice(None, None, -1)
        turn = tuple(index if other == axis else back for other in range(3))
        side = "anterior is left" if axis == 2 else "patient's right is left"
        note = f"{plane} slice {index + 1} of {filled.shape[axis]}, {side}, "
        note += "anterior is up" if axis == 0 else "the head is up"
        steps = [spacing[other] for other in others]
        panels.append(_panel(image, wanted, found, unlabelled, turn, steps, note, data, classes))
    return tuple(panels)


def _panel(
    image: Image,
    wanted: np.ndarray,
    found: np.ndarray,
    unlabelled: np.ndarray,
    turn: tuple[int | slice, ...],
    spacing: Sequence[float],
    note: str,
    data: DataSpec,
    classes: Sequence[int],
) -> Overlays:
    """A part of a case that is a picture."""
    pixels, valid = image.data, image.valid
    notes = [note] if note else []
    pixels, wanted, found = (item[(slice(None), *turn)] for item in (pixels, wanted, found))
    valid, unlabelled = valid[turn], unlabelled[turn]
    size = _display_size(valid.shape, spacing)
    bands, band_note = shown_bands(data)
    picture = _picture(pixels[list(bands)], valid, size)
    wanted, found = _resize(wanted, size), _resize(found, size)
    colours = [data.classes[index].colour for index in classes]
    return Overlays(
        width=size[1],
        height=size[0],
        picture=_uri(picture, "JPEG", quality=88, subsampling=0),
        reference=_class_layer(*_outlines(wanted), colours, (70, 255)),
        prediction=_class_layer(*_outlines(found), colours, (70, 255)),
        errors=_errors(wanted, found, _resize(unlabelled[None], size)[0]),
        caption="; ".join([*notes, *([band_note] if band_note else [])]),
    )


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


def _stack(
    reference: np.ndarray, prediction: np.ndarray, data: DataSpec, classes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both masks, bool (classes, *size), and bool (*size) of the pixels without a label."""
    if data.multilabel:
        unlabelled = (reference == IGNORE).all(0)
        wanted = reference[list(classes)] == 1
        found = (prediction[list(classes)] == 1) & (reference[list(classes)] != IGNORE)
    else:
        unlabelled = reference == IGNORE
        wanted = np.stack([reference == index for index in classes])
        found = np.stack([prediction == index for index in classes]) & ~unlabelled
    return wanted, found, unlabelled


def _window(
    reference: np.ndarray, prediction: np.ndarray, data: DataSpec, classes: Sequence[int]
) -> tuple[tuple[slice, ...], str]:
    """Of a large 2D image the window with most errors; of others all."""
    size = reference.shape[-2:]
    if max(size) <= WINDOW:
        return (slice(None), slice(None)), ""
    shape = tuple(min(WINDOW, length) for length in size)
    rows, columns = (np.unique([*range(0, n - s, s // 4), n - s]) for n, s in zip(size, shape, strict=True))
    # errors are counted in the cells that the borders of all windows make, a row of cells at a time
    across, along = (np.union1d(a, a + s) for a, s in zip((rows, columns), shape, strict=True))
    cells = []
    for first, last in pairwise(across):
        wanted, found, _ = _stack(
            reference[..., first:last, :], prediction[..., first:last, :], data, classes
        )
        cells.append(np.add.reduceat((wanted != found).any(0).sum(0), along[:-1]))
    total = np.pad(np.cumsum(cells, 0).cumsum(1), ((1, 0), (1, 0)))
    ends = [(across, rows), (across, rows + shape[0]), (along, columns), (along, columns + shape[1])]
    top, bottom, left, right = (np.searchsorted(borders, edge) for borders, edge in ends)
    inside = (
        total[np.ix_(bottom, right)]
        - total[np.ix_(top, right)]
        - total[np.ix_(bottom, left)]
        + total[np.ix_(top, left)]
    )
    i, j = np.unravel_index(int(inside.argmax()), inside.shape)
    row, column = int(rows[i]), int(columns[j])
    note = (
        f"window with most errors, {shape[0]} x {shape[1]} of {size[0]} x {size[1]} pixels, "
        f"from row {row}, column {column}"
    )
    return (slice(row, row + shape[0]), slice(column, column + shape[1])), note


def _display_size(size: Sequence[int], spacing: Sequence[float]) -> tuple[int, int]:
    """(H, W) whose longest side is ``SIDE`` and whose proportions are those of the world."""
    height, width = (abs(step) * length for step, length in zip(spacing, size, strict=True))
    factor = SIDE / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _picture(pixels: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> Pillow.Image:
    """(1 or 3, H, W) of any type, stretched to its percentiles 0.5 and 99.5, a checkerboard where invalid."""
    values = pixels.astype(np.float32)
    inside = values[:, valid]
    # colours of 8-bit pictures keep their balance; bands of a raster are stretched one by one
    joint = pixels.dtype == np.uint8
    if not inside.size:
        ends = np.zeros((2, 1), np.float32)
    else:
        ends = np.percentile(inside, [0.5, 99.5], axis=None if joint else 1)
    low, high = np.reshape(ends, (2, -1, 1, 1))
    scaled = np.clip((values - low) / np.where(high > low, high - low, 1), 0, 1)
    rows, columns = np.indices(valid.shape) // 8
    board = np.where((rows + columns) % 2, 0.55, 0.7)
    grey = (np.where(valid, np.nan_to_num(scaled), board) * 255).astype(np.uint8)
    picture = Pillow.fromarray(
        np.ascontiguousarray(np.broadcast_to(grey, (3, *valid.shape)).transpose(1, 2, 0))
    )
    enlarged = size[0] > valid.shape[0]
    return picture.resize(
        (size[1], size[0]), Pillow.Resampling.BICUBIC if enlarged else Pillow.Resampling.BOX
    )


def _resize(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest neighbour, (K, H, W) to (K, *size)."""
    rows, columns = (
        (np.arange(new) + 0.5) * old / new for new, old in zip(size, masks.shape[1:], strict=True)
    )
    return np.asarray(masks[:, rows.astype(int)][:, :, columns.astype(int)])


def _outlines(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, H, W) to label maps (H, W) of inner areas and of outlines two pixels wide, 0 for none."""
    area, outline = np.zeros(masks.shape[1:], np.uint8), np.zeros(masks.shape[1:], np.uint8)
    for number, mask in enumerate(masks, start=1):
        if not mask.any():
            continue
        # objects run on beyond the image, so that its edge is no outline
        inner = ndimage.binary_erosion(mask, iterations=2, border_value=1)
        area[mask] = number
        outline[mask & ~inner] = number
    return area, outline


def _class_layer(
    area: np.ndarray, outline: np.ndarray, colours: Sequence[tuple[int, int, int]], alphas: tuple[int, int]
) -> str:
    """Data URI of a picture with two opacities per colour and full transparency elsewhere."""
    count = len(colours)
    index = np.where(outline > 0, outline.astype(np.int32) + count, area)
    palette = [(0, 0, 0, 0), *((*c, alphas[0]) for c in colours), *((*c, alphas[1]) for c in colours)]
    return _layer_uri(index, palette)


def _errors(wanted: np.ndarray, found: np.ndarray, unlabelled: np.ndarray) -> str:
    """Data URI of the layer that colours each pixel as ``ERRORS`` says."""
    extra, lacking = (found & ~wanted).any(0), (wanted & ~found).any(0)
    hatched = unlabelled & (np.indices(unlabelled.shape).sum(0) // 4 % 2 == 0)
    conditions = [extra & lacking, extra, lacking, (wanted & found).any(0), hatched]
    index = np.select(conditions, [4, 2, 3, 1, 5], 0)
    alphas = (110, 200, 200, 200, 150)
    palette = [(0, 0, 0, 0), *((*c, alpha) for c, alpha in zip(ERRORS.values(), alphas, strict=True))]
    return _layer_uri(index, palette)


def _layer_uri(index: np.ndarray, palette: Sequence[tuple[int, int, int, int]]) -> str:
    colours = np.array(palette, np.uint8)
    if len(colours) > 256:
        return _uri(Pillow.fromarray(colours[index]), "PNG")
    # with a palette the file is half as large and ten times as fast to pack
    picture = Pillow.fromarray(index.astype(np.uint8))
    picture.putpalette(colours[:, :3].tobytes())
    return _uri(picture, "PNG", transparency=colours[:, 3].tobytes())


def _uri(picture: Pillow.Image, kind: str, **options: int | bytes) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
