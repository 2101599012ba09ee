"""Sums of overlapping windows that are handed on as soon as no further window can reach them."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from .windows import axis_weights, pad_to, starts

Emit = Callable[[tuple[slice, ...], np.ndarray | None], None]
"""Takes the place of a finished block in the image and its logits (K, *block), which the next window
overwrites; None where no window had data."""


class Accumulator:
    """Weighted sums of windows that come in row-major order, over an image that nobody holds.

    One window's sums are held in full. Of the windows before it only what later ones overlap is kept: along
    the last axis within those sums, along the axis before in a strip as high as that overlap and as wide as
    the image, and so on. In 2D these are ``overlap x width`` numbers per class, whatever the image's height.
    A pixel's contributions are added in the order of its windows, so the result does not depend on this.

    Args:
        size: Of the image.
        tile: Of the windows; axes shorter than it are taken to be mirrored up to it, see `pad_to`.
        emit: Takes finished blocks, in row-major order of their windows.
        first: Band of windows, along the first axis, that comes first.
        done: Bands whose blocks are not emitted.
    """

    def __init__(
        self,
        size: Sequence[int],
        tile: Sequence[int],
        *,
        overlap: float,
        blend: str,
        emit: Emit,
        first: int = 0,
        done: int = 0,
    ) -> None:
        self.emit, self.tile, self.done = emit, tuple(tile), done
        self.padded = [max(s, t) for s, t in zip(size, tile, strict=True)]
        self.starts = [starts(s, t, overlap) for s, t in zip(self.padded, tile, strict=True)]
        axes = zip(self.padded, tile, strict=True)
        self.weights = [axis_weights(s, t, overlap, blend) for s, t in axes]
        # where the image lies in the mirrored one
        self.offset = [where.start for where in pad_to(np.broadcast_to(False, size), tile)[1]]
        self.size = tuple(size)
        self.first = first
        self.index = [first] + [0] * (len(self.tile) - 1)
        self.sums: np.ndarray | None = None
        self.strips: list[np.ndarray] = []

    def add(self, logits: np.ndarray | None) -> None:
        """The next window's logits (K, *tile); None if it has no data, which adds nothing."""
        if self.sums is None and logits is not None:
            self._allocate(len(logits))
        if self.sums is not None:
            self._recall()
            if logits is not None:
                weights = [w[i] for w, i in zip(self.weights, self.index, strict=True)]
                self.sums += logits * functools.reduce(np.multiply.outer, weights).astype(np.float32)
        if self.index[0] >= self.done:
            self._finish()
        if self.sums is not None:
            self._keep()
        self._next()

    def size_of(self, channels: int) -> int:
        """Bytes that it takes for so many logits per pixel."""
        shapes = [self.tile, *self._strip_shapes()]
        return 2 * 4 * channels * math.prod(self.tile) + 4 * channels * sum(map(math.prod, shapes))

    def _strip_shapes(self) -> list[tuple[int, ...]]:
        shapes = []
        for axis, (tile, first) in enumerate(zip(self.tile[:-1], self.starts, strict=False)):
            shared = tile - min((b - a for a, b in itertools.pairwise(first)), default=tile)
            shapes.append((*self.tile[:axis], shared, *self.padded[axis + 1 :]))
        return shapes

    def _allocate(self, channels: int) -> None:
        self.sums = np.zeros((channels, *self.tile), np.float32)
        self.strips = [np.zeros((channels, *shape), np.float32) for shape in self._strip_shapes()]

    def _old(self, axis: int) -> int:
        """Leading pixels of the window along an axis that windows before it have reached."""
        i, first = self.index[axis], self.starts[axis]
        begin = self.first if axis == 0 else 0
        return first[i - 1] + self.tile[axis] - first[i] if i > begin else 0

    def _final(self, axis: int) -> int:
        """Leading pixels along an axis that no later window reaches."""
        i, first = self.index[axis], self.starts[axis]
        return first[i + 1] - first[i] if i + 1 < len(first) else self.tile[axis]

    def _recall(self) -> None:
        """Fill the sums with what windows before have left for this one."""
        assert self.sums is not None
        last = len(self.tile) - 1
        old = self._old(last)
        if old:  # windows side by side: the sums move on
            self.sums[..., :old] = self.sums[..., self.tile[last] - old :].copy()
        self.sums[..., old:] = 0
        for axis, strip in enumerate(self.strips):
            rows = self._old(axis)
            inner = [slice(self._old(a), self.tile[a]) for a in range(axis + 1, last + 1)]
            outer = [
                slice(self.starts[a][self.index[a]] + where.start, self.starts[a][self.index[a]] + where.stop)
                for a, where in enumerate(inner, start=axis + 1)
            ]
            before = [slice(None)] * (axis + 1)  # channels, and axes outside of this one
            self.sums[(*before, slice(0, rows), *inner)] = strip[(*before, slice(0, rows), *outer)]

    def _keep(self) -> None:
        """Put away what windows in later bands will add to."""
        assert self.sums is not None
        last = len(self.tile) - 1
        for axis, strip in enumerate(self.strips):
            final = self._final(axis)
            inner = [slice(0, self._final(a)) for a in range(axis + 1, last + 1)]
            outer = [
                slice(self.starts[a][self.index[a]], self.starts[a][self.index[a]] + where.stop)
                for a, where in enumerate(inner, start=axis + 1)
            ]
            before = [slice(None)] * (axis + 1)
            rows = self.tile[axis] - final
            strip[(*before, slice(0, rows), *outer)] = self.sums[(*before, slice(final, None), *inner)]

    def _finish(self) -> None:
        place, inner = [], []
        for axis, i in enumerate(self.index):
            start, offset = self.starts[axis][i], self.offset[axis]
            low, high = max(start - offset, 0), min(start + self._final(axis) - offset, self.size[axis])
            place.append(slice(low, high))
            inner.append(slice(low + offset - start, high + offset - start))
        self.emit(tuple(place), None if self.sums is None else self.sums[(slice(None), *inner)])

    def _next(self) -> None:
        for axis in reversed(range(len(self.index))):
            self.index[axis] += 1
            if axis == 0 or self.index[axis] < len(self.starts[axis]):
                return
            self.index[axis] = 0
