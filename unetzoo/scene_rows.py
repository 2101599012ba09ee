"""A large scene predicted and compared band of rows by band of rows, so that it is never held."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unetzoo.inference.geometry import Rows
from unetzoo.inference.tiling import predict_rows
from unetzoo.inference.windows import Network

__all__ = ["Scene", "predict_scene"]

Read = tuple[np.ndarray, np.ndarray]
"""Input (C, rows, W) float32, and mask (rows, W) or (K, rows, W) uint8 or target (K, rows, W) float32."""


class Scene(Protocol):
    """The part of ``unetzoo.datasets`` that is used here: a large raster, and what it is compared with."""

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W)."""

    def rows(self, first: int, last: int) -> Read:
        """Rows ``first`` to before ``last``."""


def predict_scene(
    network: Network,
    scene: Scene,
    compare: Callable[[np.ndarray, Tensor], None],
    *,
    channels: int,
    known: Callable[[Tensor], Tensor],
    shown: Callable[[Tensor, Tensor], Tensor],
    tile: Sequence[int],
    overlap: float,
    batch_size: int,
) -> None:
    """Tiled prediction of a scene, pixel by pixel that of the whole, beside its mask or target.

    Every row of tiles finishes a band of about ``(1 - overlap) * tile`` rows over the whole width; what is
    held is a few of these, whatever the scene's height. The next rows are read while the network computes. It
    is not asked about tiles without a known pixel, which have a part in no pixel that counts.

    Args:
        compare: Takes the logits (K, rows, W) of each band, 0 far from what is known, and what they are
            compared with, int64 (rows, W) or (K, rows, W), or float32 (K, rows, W) of a target.
        channels: Of the logits.
        known: Where a mask or target says anything.
        shown: See `SegmentationNetwork.shown`.
        overlap: Of tiles, as a fraction of the tile.
        batch_size: Tiles per call of the network.
    """
    bands = _Bands((channels, scene.size[1]), compare)

    def take(found: Read) -> Rows:
        x, reference = (torch.from_numpy(array) for array in found)
        bands.expect(reference)
        valid = known(reference).view(-1, *reference.shape[-2:]).any(0)
        return Rows(shown(x[None], _wide(reference)[None])[0].numpy(), valid.numpy())

    predict_rows(
        network,
        scene.size,
        # `map` does not hold on to what it has handed over
        lambda spans: map(take, _ahead(scene.rows(*span) for span in spans)),
        bands.emit,
        tile=tile,
        overlap=overlap,
        batch_size=batch_size,
    )


class _Bands:
    """Puts blocks together to bands, and beside these what they are compared with."""

    def __init__(self, shape: tuple[int, int], compare: Callable[[np.ndarray, Tensor], None]) -> None:
        (self.channels, self.width), self.compare = shape, compare
        self.logits: np.ndarray | None = None
        self.reference: Tensor | None = None  # of the rows that were read and are not finished

    def expect(self, reference: Tensor) -> None:
        """The next rows will come."""
        self.reference = reference if self.reference is None else torch.cat([self.reference, reference], -2)

    def emit(self, place: tuple[slice, ...], block: np.ndarray | None) -> None:
        """The next finished block of logits; None where no tile so far had a known pixel."""
        rows, columns = place
        height = rows.stop - rows.start
        if self.logits is None:
            self.logits = np.zeros((self.channels, height, self.width), np.float32)
        if block is not None:
            self.logits[..., columns] = block
        if columns.stop == self.width:
            assert self.reference is not None
            logits, reference = self.logits, self.reference[..., :height, :]
            self.logits, self.reference = None, self.reference[..., height:, :]
            self.compare(logits, _wide(reference))


def _wide(reference: Tensor) -> Tensor:
    """Class indices as losses take them."""
    return reference if reference.is_floating_point() else reference.long()


def _ahead(items: Iterable[Read]) -> Iterator[Read]:
    """The same items, the next of which is made while one is used."""
    with ThreadPoolExecutor(1) as background:
        rest = iter(items)
        coming = background.submit(next, rest, None)
        while (item := coming.result()) is not None:
            coming = background.submit(next, rest, None)
            ready = [item]
            del item
            yield ready.pop()  # nothing here holds on to it
