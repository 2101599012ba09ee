"""Pictures of a predicted image beside the one that it should be, from rows that nobody keeps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

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
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.source import Source, pieces

__all__ = ["Compared"]

LONGEST = 1024
"""Side of an image, in pixels, that is shown as it is; of larger ones it is every n-th pixel."""
LOW, ZERO, HIGH, UNKNOWN = (33, 102, 172), (247, 247, 247), (178, 24, 43), (128, 128, 128, 150)


class View(NamedTuple):
    """A part of a case that is a picture.

    Attributes:
        at: What it shows along each axis.
        axis: Across which it cuts a volume; None for an image.
        note: In words.
    """

    at: tuple[range, ...]
    axis: int | None
    note: str

    def of(self, piece: np.ndarray, first: int) -> np.ndarray:
        """Its part of rows (K, rows, *rest) that begin with row ``first``, with as many axes."""
        own = [row - first for row in range(first, first + piece.shape[1]) if row in self.at[0]]
        rest = (slice(r.start, r.stop, r.step) for r in self.at[1:])
        return np.ascontiguousarray(piece[:, own][(slice(None), slice(None), *rest)])


def views(size: Sequence[int]) -> list[View]:
    """An image as a whole, or the middle slices of a volume."""
    if len(size) == 2:
        step = -(-max(size) // LONGEST)
        note = f"one pixel of {step} along each axis of {size[0]} x {size[1]}" if step > 1 else ""
        return [View(tuple(range(0, n, step) for n in size), None, note)]
    middle = [n // 2 for n in size]
    return [
        View(
            tuple(range(middle[a], middle[a] + 1) if a == axis else range(n) for a, n in enumerate(size)),
            axis,
            slice_note(axis, middle[axis], size[axis]),
        )
        for axis in range(3)
    ]


class Compared:
    """Keeps of a case what pictures show of it: no more than their pixels.

    Args:
        size: (H, W), or (D, H, W) of a volume.
    """

    def __init__(self, size: Sequence[int]) -> None:
        self._views = views(size)
        self._kept: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in self._views]

    def add(self, prediction: np.ndarray, target: np.ndarray, first: int) -> None:
        """Rows (K, rows, *rest) that begin with row ``first``, each once and in their order."""
        for view, kept in zip(self._views, self._kept, strict=True):
            kept.append((view.of(prediction, first), view.of(target, first)))

    def draw(self, image: Source, data: DataSpec) -> tuple[Panels, ...]:
        """The image, its target, the prediction and their difference, when all rows have come.

        Target and prediction are shown on the target's range. The difference is coloured up to the 99th
        percentile of its size.
        """
        bands, note = shown_bands(data)
        inputs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in self._views]
        first = 0
        for pixels, valid in pieces(image):
            for view, parts in zip(self._views, inputs, strict=True):
                parts.append((view.of(pixels[list(bands)], first), view.of(valid[None], first)))
            first += len(valid)
        spacing = image.spacing or (1.0,) * len(image.size)
        return tuple(
            _panel(view, (*_joined(seen), *_joined(kept)), spacing, note, data)
            for view, seen, kept in zip(self._views, inputs, self._kept, strict=True)
        )


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))


def _panel(
    view: View, arrays: Sequence[np.ndarray], spacing: Sequence[float], band_note: str, data: DataSpec
) -> Panels:
    """Of the input's pixels, where these are valid, prediction and target, each as `View.of` gives it."""
    assert data.target is not None
    turn = (slice(None),) * 2 if view.axis is None else turned(view.axis, 0)
    pixels, inside, prediction, target = (array[(slice(None), *turn)] for array in arrays)
    valid, steps = inside[0], [s for axis, s in enumerate(spacing) if axis != view.axis]
    size = display_size(valid.shape, steps)
    colours = 3 if len(target) >= 3 and view.axis is None else 1
    known = np.isfinite(target) & np.isfinite(prediction)
    difference = np.subtract(prediction, target, out=np.zeros_like(prediction), where=known)
    limit, errors = _signed(difference, known, size)
    scale = f"errors from -{limit:.3g} (blue) to +{limit:.3g} {data.target.unit}".rstrip() + " (red)"
    if len(target) > 1:
        scale += f", the mean of {len(target)} bands"
    return Panels(
        width=size[1],
        height=size[0],
        picture=picture(pixels, valid, size),
        reference=picture(target[:colours], _finite(target[:colours]), size, data.target.value_range),
        prediction=picture(
            prediction[:colours], valid & _finite(prediction[:colours]), size, data.target.value_range
        ),
        errors=errors,
        caption="; ".join(text for text in (view.note, band_note, scale) if text),
    )


def _finite(maps: np.ndarray) -> np.ndarray:
    """Where all of them (K, H, W) are."""
    return np.asarray(np.isfinite(maps).all(0))


def _signed(difference: np.ndarray, known: np.ndarray, size: tuple[int, int]) -> tuple[float, str]:
    """What has the full colour, and the picture of a difference (K, H, W), 0 where it is not known."""
    mean = difference.sum(0) / np.maximum(known.sum(0), 1)
    anywhere = known.any(0)
    limit = float(np.percentile(np.abs(mean[anywhere]), 99)) if anywhere.any() else 0.0
    part = np.clip(mean / (limit or 1.0), -1, 1)
    index = np.where(anywhere, np.round(127 * part).astype(np.int32) + 127, 255)
    ends = [
        tuple(round(z + (e - z) * abs(t)) for z, e in zip(ZERO, HIGH if t > 0 else LOW, strict=True))
        for t in np.linspace(-1, 1, 255)
    ]
    palette = [(r, g, b, 255) for r, g, b in ends]
    return limit, layer_uri(resize(index[None], size)[0], [*palette, UNKNOWN])
