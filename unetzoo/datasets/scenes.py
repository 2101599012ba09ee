"""Patches of rasters too large to be held: windows are read, and decoded blocks kept as memory allows."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..inference.contract import IGNORE, DataSpec
from ..inference.geometry import Rows, Window
from ..inference.image import image_size, open_image, read_mask
from ..inference.normalise import rescale, scale_of
from ..inference.raster import SUFFIXES
from ..inference.source import Part, Source
from .case import Case
from .classes import encode
from .sampling import around
from .vector_labels import is_vector

LARGE = 2**24
"""Pixels from which on a raster is read by windows; smaller ones are decoded once and kept whole."""

_BLOCK = 512  # pixels, a multiple of the usual tiles of a file
_REMEMBERED = 4096  # pixels of each class that patches are centred on

Block = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Raw bands (C, h, w), valid (h, w) and the encoded mask (h, w) or (K, h, w)."""


def is_scene(case: Case, spec: DataSpec) -> bool:
    """Whether a case is read by windows, told from its header."""
    if spec.ndim != 2 or spec.target is not None or spec.resample is not None:
        return False
    if not _is_raster(case.image) or case.mask is None or is_vector(case.mask):
        return False
    size = image_size(case.image) if case.window is None else [w.stop - w.start for w in case.window]
    return size[0] * size[1] >= LARGE and all(n >= t for n, t in zip(size, spec.tile, strict=True))


class Scene:
    """A large raster with its mask, opened by each process for itself; pickled without what it has read.

    Args:
        keep: Asked for each decoded block, with its bytes, whether it may be kept.
    """

    def __init__(self, case: Case, spec: DataSpec, keep: Callable[[int], bool]) -> None:
        self.case, self.spec, self._keep = case, spec, keep
        self._kept: dict[tuple[int, int], Block] = {}
        whole = self._source.size
        self.region: Window = case.window or (slice(0, whole[0]), slice(0, whole[1]))
        self._scale = scale_of(Part(self._source, self.region), spec.normalisation)

    @cached_property
    def _source(self) -> Source:
        return open_image(self.case.image, bands=self.spec.bands, nodata=self.spec.nodata)

    def __getstate__(self) -> dict[str, Any]:
        """What was found out of the image, which may have taken a pass over it."""
        kept = {key: self.__dict__[key] for key in ("case", "spec", "region", "_scale")}
        return {**kept, "_kept": {}, "_keep": _nothing}

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W) of the case."""
        return tuple(part.stop - part.start for part in self.region)

    def draw(
        self, patch: Sequence[int], rng: np.random.Generator, *, foreground: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """A patch, chosen as ``choose_window`` does, from remembered pixels in place of all.

        Returns:
            (C, *patch) float32, normalised by the whole image, and (*patch) or (K, *patch) uint8.
        """
        if rng.random() < foreground and (classes := [p for p in self._pixels[1:] if len(p)]):
            return self.read(self._around(classes[rng.integers(len(classes))], patch, rng))
        start = [int(rng.integers(0, n - p + 1)) for n, p in zip(self.size, patch, strict=True)]
        found = self.read(tuple(slice(a, a + p) for a, p in zip(start, patch, strict=True)))
        if (found[1] == IGNORE).all() and len(self._pixels[0]):
            return self.read(self._around(self._pixels[0], patch, rng))
        return found

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Input and mask of a window of the case."""
        rows, columns = (
            slice(part.start + region.start, part.stop + region.start)
            for part, region in zip(window, self.region, strict=True)
        )
        size = (rows.stop - rows.start, columns.stop - columns.start)
        parts: list[np.ndarray] | None = None
        for row in range(rows.start // _BLOCK, -(-rows.stop // _BLOCK)):
            for column in range(columns.start // _BLOCK, -(-columns.stop // _BLOCK)):
                block = self._block(row, column)
                if parts is None:
                    parts = [np.empty((*array.shape[:-2], *size), array.dtype) for array in block]
                top, left = row * _BLOCK, column * _BLOCK
                height, width = block[1].shape
                source: tuple[Any, ...] = (...,)
                target: tuple[Any, ...] = (...,)
                for want, first, length in ((rows, top, height), (columns, left, width)):
                    a, b = max(want.start, first), min(want.stop, first + length)
                    source += (slice(a - first, b - first),)
                    target += (slice(a - want.start, b - want.start),)
                for part, array in zip(parts, block, strict=True):
                    part[target] = array[source]
        assert parts is not None
        data, valid, mask = parts
        return rescale(Rows(data, valid), self._scale), mask

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Input and mask of rows ``first`` to before ``last``; no block is kept, since rows are read once."""
        rows, columns = self.region
        window = (slice(rows.start + first, rows.start + last), columns)
        data, valid = self._source.part(window)
        return rescale(Rows(data, valid), self._scale), self._mask(window, valid)

    def _block(self, row: int, column: int) -> Block:
        if (row, column) in self._kept:
            return self._kept[row, column]
        height, width = self._source.size
        window = (
            slice(row * _BLOCK, min((row + 1) * _BLOCK, height)),
            slice(column * _BLOCK, min((column + 1) * _BLOCK, width)),
        )
        data, valid = self._source.part(window)
        block = (data, valid, self._mask(window, valid))
        if self._keep(sum(array.nbytes for array in block)):
            self._kept[row, column] = block
        return block

    def _mask(self, window: Window, valid: np.ndarray) -> np.ndarray:
        spec, path = self.spec, self.case.mask
        assert path is not None
        inside: tuple[Any, ...] = (..., *window)
        raw = read_mask(path, window=window) if _is_raster(path) else self._picture[inside]
        if not spec.multilabel and raw.ndim > 2 and (raw == raw[:1]).all():
            raw = raw[0]  # a grey mask saved as colour
        options: dict[str, Any] = {"ignore_index": spec.ignore_index, "multilabel": spec.multilabel}
        mask = encode(raw, 2, spec.classes, **options)
        mask[..., ~valid] = IGNORE
        return mask

    @cached_property
    def _picture(self) -> np.ndarray:
        """The ids of a mask that is decoded whole, since its format has no other way."""
        assert self.case.mask is not None
        return read_mask(self.case.mask)

    def _around(self, pixels: np.ndarray, patch: Sequence[int], rng: np.random.Generator) -> Window:
        return around(int(pixels[rng.integers(len(pixels))]), self.size, patch)

    @cached_property
    def _pixels(self) -> list[np.ndarray]:
        """Flat places of some labelled pixels, and of some of each foreground class, spread over blocks."""
        rng = np.random.default_rng(0)
        first = 0 if self.spec.multilabel else 1
        wanted = len(self.spec.classes) - first + 1
        found: list[list[np.ndarray]] = [[] for _ in range(wanted)]
        blocks = -(-self.size[0] // _BLOCK) * -(-self.size[1] // _BLOCK)
        share = max(8, 4 * _REMEMBERED // blocks)
        for top in range(0, self.size[0], _BLOCK):
            for left in range(0, self.size[1], _BLOCK):
                window = tuple(
                    slice(a, min(a + _BLOCK, n)) for a, n in zip((top, left), self.size, strict=True)
                )
                inside = tuple(
                    slice(w.start + r.start, w.stop + r.start)
                    for w, r in zip(window, self.region, strict=True)
                )
                mask = self._mask(inside, np.ones([w.stop - w.start for w in window], bool))
                layers = mask if self.spec.multilabel else mask[None]
                hits = [(layers != IGNORE).any(axis=0)]
                hits += [
                    layers[k] == 1 if self.spec.multilabel else mask == k + first for k in range(wanted - 1)
                ]
                for places, hit in zip(found, hits, strict=True):
                    y, x = np.nonzero(hit)
                    chosen = rng.permutation(len(y))[:share]
                    places.append((y[chosen] + top) * self.size[1] + x[chosen] + left)
        return [rng.permutation(np.concatenate(places))[:_REMEMBERED] for places in found]


def _is_raster(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _nothing(size: int) -> bool:
    """Room for the blocks of a scene that came from another process."""
    return False
