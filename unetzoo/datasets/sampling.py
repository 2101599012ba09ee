"""Which case and which part of it comes next, computed from seed, epoch and position alone."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from ..inference.contract import IGNORE

Draw = tuple[int, int]
"""Index of a case, and the seed of all that is random about the sample."""


class DrawSampler(Sampler[Draw]):
    """Draws for one epoch; the same for any number of workers, and for a resumed run.

    Cases come in shuffled rounds. The number of draws is rounded up to whole batches on every rank: further
    draws are new patches, so nothing is repeated, and no rank waits for another.

    Args:
        cases: Number of cases.
        draws: Wanted samples per epoch, over all ranks.
        batch_size: Per rank.
    """

    def __init__(
        self, cases: int, draws: int, *, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if draws < 1:
            raise ValueError(f"data.samples_per_epoch={draws} must be at least 1")
        step = batch_size * world_size
        self.cases, self.seed, self.rank, self.world_size = cases, seed, rank, world_size
        self.total = math.ceil(draws / step) * step
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.total // self.world_size

    def __iter__(self) -> Iterator[Draw]:
        """Every `world_size`-th position of the epoch."""
        order, current = np.arange(self.cases), -1
        for position in range(self.rank, self.total, self.world_size):
            block, offset = divmod(position, self.cases)
            if block != current:
                order = np.random.default_rng([self.seed, self.epoch, 0, block]).permutation(self.cases)
                current = block
            seed = np.random.SeedSequence([self.seed, self.epoch, 1, position]).generate_state(1)[0]
            yield int(order[offset]), int(seed)


def choose_window(
    mask: np.ndarray, patch: Sequence[int], rng: np.random.Generator, *, foreground: float, multilabel: bool
) -> tuple[slice, ...]:
    """Window of the size of `patch` in a mask (*size), or (K, *size) if multilabel, that is no smaller.

    With the probability `foreground` it is centred, as far as the border lets it, on a random pixel of a
    random class among those present, so that rare classes are seen as often as frequent ones; class 0 is the
    background. Windows without a single label are moved onto a labelled pixel.
    """
    size = mask.shape[-len(patch) :]
    if rng.random() < foreground:
        pixel = _foreground_pixel(mask, rng, multilabel)
        if pixel is not None:
            return around(pixel, size, patch)
    start = [int(rng.integers(0, s - p + 1)) for s, p in zip(size, patch, strict=True)]
    window = tuple(slice(a, a + p) for a, p in zip(start, patch, strict=True))
    at: tuple[Any, ...] = (..., *window)
    if (mask[at] == IGNORE).all():
        known = np.flatnonzero((mask != IGNORE).any(axis=0) if multilabel else mask != IGNORE)
        if len(known):
            return around(int(known[rng.integers(len(known))]), size, patch)
    return window


def _foreground_pixel(mask: np.ndarray, rng: np.random.Generator, multilabel: bool) -> int | None:
    """Flat index of a random pixel of a random foreground class that is there, if any is."""
    if multilabel:
        present = np.flatnonzero((mask == 1).any(axis=tuple(range(1, mask.ndim))))
    else:
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=IGNORE + 1)[1:IGNORE]) + 1
    if not len(present):
        return None
    chosen = present[rng.integers(len(present))]
    pixels = np.flatnonzero(mask[chosen] == 1 if multilabel else mask == chosen)
    return int(pixels[rng.integers(len(pixels))])


def around(pixel: int, size: Sequence[int], patch: Sequence[int]) -> tuple[slice, ...]:
    """Window of the size of `patch` around a pixel, given by its flat index, as far as the border lets it."""
    centre = np.unravel_index(pixel, tuple(size))
    start = [min(max(int(c) - p // 2, 0), s - p) for c, p, s in zip(centre, patch, size, strict=True)]
    return tuple(slice(a, a + p) for a, p in zip(start, patch, strict=True))
