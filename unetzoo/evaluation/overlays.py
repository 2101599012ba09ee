"""Pictures of a case: the image, and what reference, prediction and their difference put on top of it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import ndimage

from unetzoo.evaluation.pictures import (
    Panels,
    display_size,
    layer_uri,
    picture,
    resize,
    shown_bands,
    slice_note,
    turned,
)
from unetzoo.inference.contract import IGNORE, DataSpec
from unetzoo.inference.geometry import Image

__all__ = ["ERRORS", "draw"]

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


def draw(
    image: Image, reference: np.ndarray, prediction: np.ndarray, data: DataSpec, classes: Sequence[int]
) -> tuple[Panels, ...]:
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
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        index = int(filled.sum(others).argmax())
        note = slice_note(axis, index, filled.shape[axis])
        steps = [spacing[other] for other in others]
        panels.append(
            _panel(image, wanted, found, unlabelled, turned(axis, index), steps, note, data, classes)
        )
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
) -> Panels:
    """A part of a case that is a picture."""
    pixels, valid = image.data, image.valid
    notes = [note] if note else []
    pixels, wanted, found = (item[(slice(None), *turn)] for item in (pixels, wanted, found))
    valid, unlabelled = valid[turn], unlabelled[turn]
    size = display_size(valid.shape, spacing)
    bands, band_note = shown_bands(data)
    wanted, found = resize(wanted, size), resize(found, size)
    colours = [data.classes[index].colour for index in classes]
    return Panels(
        width=size[1],
        height=size[0],
        picture=picture(pixels[list(bands)], valid, size),
        reference=_class_layer(*_outlines(wanted), colours, (70, 255)),
        prediction=_class_layer(*_outlines(found), colours, (70, 255)),
        errors=_errors(wanted, found, resize(unlabelled[None], size)[0]),
        caption="; ".join([*notes, *([band_note] if band_note else [])]),
    )


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
    return layer_uri(index, palette)


def _errors(wanted: np.ndarray, found: np.ndarray, unlabelled: np.ndarray) -> str:
    """Data URI of the layer that colours each pixel as ``ERRORS`` says."""
    extra, lacking = (found & ~wanted).any(0), (wanted & ~found).any(0)
    hatched = unlabelled & (np.indices(unlabelled.shape).sum(0) // 4 % 2 == 0)
    conditions = [extra & lacking, extra, lacking, (wanted & found).any(0), hatched]
    index = np.select(conditions, [4, 2, 3, 1, 5], 0)
    alphas = (110, 200, 200, 200, 150)
    palette = [(0, 0, 0, 0), *((*c, alpha) for c, alpha in zip(ERRORS.values(), alphas, strict=True))]
    return layer_uri(index, palette)
