"""A large scene against its mask, band of rows by band of rows, so that neither is ever held."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unetzoo.inference.contract import IGNORE
from unetzoo.inference.geometry import Rows
from unetzoo.inference.tiling import predict_rows
from unetzoo.inference.windows import Network

__all__ = ["Scene", "predict_scene"]

Read = tuple[np.ndarray, np.ndarray]
"""Input (C, rows, W) float32 and mask (rows, W) or (K, rows, W) uint8."""


class Scene(Protocol):
    """The part of ``unetzoo.datasets.scenes.Scene`` that is used here."""

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W)."""

    def rows(self, first: int, last: int) -> Read:
        """Input and mask of rows ``first`` to before ``last``."""


def predict_scene(
    network: Network,
    scene: Scene,
    compare: Callable[[np.ndarray, Tensor], None],
    *,
    shown: Callable[[Tensor, Tensor], Tensor],
    tile: Sequence[int],
    overlap: float,
    batch_size: int,
) -> None:
    """Tiled prediction of a scene, pixel by pixel that of the whole, beside its mask.

    Every row of tiles finishes a band of about ``(1 - overlap) * tile`` rows over the whole width; what is
    held is a few of these, whatever the scene's height. The next rows are read while the network computes. It
    is not asked about tiles without a label, which have a part in no pixel that counts.

    Args:
        compare: Takes the logits (K, rows, W) of a band, 0 far from any label, and its mask, int64 (rows, W)
            or (K, rows, W); bands without a label are left out.
        shown: See `SegmentationNetwork.shown`.
        overlap: Of tiles, as a fraction of the tile.
        batch_size: Tiles per call of the network.
    """
    bands = _Bands(scene.size[1], compare)

    def take(found: Read) -> Rows:
        x, mask = (torch.from_numpy(array) for array in found)
        bands.await_rows(mask)
        labelled = (mask != IGNORE).view(-1, *mask.shape[-2:]).any(0)
        return Rows(shown(x[None], mask[None].long())[0].numpy(), labelled.numpy())

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
    """Puts blocks together to bands, and masks beside these.

    Attributes:
        mask: Of the rows that were read and are not finished.
    """

    def __init__(self, width: int, compare: Callable[[np.ndarray, Tensor], None]) -> None:
        self.width, self.compare = width, compare
        self.mask: Tensor | None = None
        self.logits: np.ndarray | None = None

    def await_rows(self, mask: Tensor) -> None:
        """The next rows will come."""
        self.mask = mask if self.mask is None else torch.cat([self.mask, mask], -2)

    def emit(self, place: tuple[slice, ...], block: np.ndarray | None) -> None:
        """The next finished block of logits; None where no tile so far had a label."""
        rows, columns = place
        height = rows.stop - rows.start
        if block is not None:
            if self.logits is None:
                self.logits = np.zeros((len(block), height, self.width), np.float32)
            self.logits[..., columns] = block
        if columns.stop < self.width:
            return
        assert self.mask is not None
        logits, self.logits = self.logits, None
        mask, self.mask = self.mask[..., :height, :], self.mask[..., height:, :]
        if logits is not None and bool((mask != IGNORE).any()):
            self.compare(logits, mask.long())


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
