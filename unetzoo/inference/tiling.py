"""A network over an image of any size, window by window, keeping no more than what windows share.

Every way to predict goes through here: files larger than memory, arrays, validation during training.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from .blending import Accumulator, Emit
from .geometry import Rows
from .views import averaged, views
from .windows import Network, pad_to, require_axes, starts

__all__ = ["Job", "Tiling", "predict_rows", "predict_tiled", "run"]


class Job(Protocol):
    """An image on its way through `run`."""

    def windows(self) -> Iterator[np.ndarray | None]:
        """Inputs (C, *tile) of the network in order; None where there is nothing to predict."""

    def add(self, logits: np.ndarray | None) -> None:
        """The network's answers (K, *tile) in the same order."""

    def done(self) -> None:
        """All answers have come."""

    def fail(self, error: Exception) -> None:
        """Called instead of whatever would come next, if a method above or the network raises."""


def run(jobs: Iterable[Job], network: Network, *, batch_size: int) -> None:
    """Feed the windows of all jobs to a network in full batches, across jobs; empty windows cost nothing."""
    queue = _Queue(network, batch_size)
    for job in jobs:
        queue.guarded(job, queue.take, job)
        queue.ended.append(job)
    queue.answer()


class _Queue:
    """Windows that wait for the network, in order, of one or several jobs."""

    def __init__(self, network: Network, batch_size: int) -> None:
        self.network, self.batch_size = network, batch_size
        self.batch: list[np.ndarray] = []
        self.waiting: list[tuple[Job, bool]] = []  # whose window, and whether it is in the batch
        self.ended: list[Job] = []
        self.failed: list[Job] = []

    def guarded(self, job: Job, work: Callable[..., None], *args: object) -> None:
        """One job's trouble is not the others'."""
        if job not in self.failed:
            try:
                work(*args)
            except Exception as error:
                self.failed.append(job)
                job.fail(error)

    def take(self, job: Job) -> None:
        """Queue all windows of a job, and let the network answer whenever a batch is full."""
        for x in job.windows():
            self.waiting.append((job, x is not None))
            if x is not None:
                self.batch.append(x)
            if len(self.batch) in (0, self.batch_size):
                self.answer()
            if job in self.failed:
                break

    def answer(self) -> None:
        """Hand out what the network says of everything that waits; whoever has ended is done then."""
        answers: Iterator[np.ndarray] = iter(())
        try:
            if self.batch:
                answers = iter(_checked(self.network, np.stack(self.batch)))
        except Exception as error:
            for job in dict.fromkeys(job for job, asked in self.waiting if asked):
                self.guarded(job, _throw, error)
        for job, asked in self.waiting:
            self.guarded(job, job.add, next(answers, None) if asked else None)
        for job in self.ended:
            self.guarded(job, job.done)
        self.batch, self.waiting, self.ended = [], [], []


class Tiling:
    """The windows of one image, and the blending of what the network says of them.

    The network always sees (C, *tile): axes shorter than the tile are mirrored up to it and cut back.

    Args:
        prepare: Rows of a window to the network's input (C, *window) float32.
        emit: See `Accumulator`.
        done: Bands of windows whose finished rows are not wanted again.
    """

    def __init__(
        self,
        size: Sequence[int],
        *,
        tile: Sequence[int],
        overlap: float,
        blend: str,
        prepare: Callable[[Rows], np.ndarray],
        emit: Emit,
        done: int = 0,
    ) -> None:
        require_axes(size, tile)
        self.tile, self.prepare = tuple(tile), prepare
        self.starts = [starts(s, t, overlap) for s, t in zip(size, tile, strict=True)]
        self.span = [min(s, t) for s, t in zip(size, tile, strict=True)]
        # bands whose windows reach into unfinished rows are computed again, and give the same numbers again
        wanted = self.starts[0][min(done, len(self.starts[0]) - 1)]
        self.first = next(i for i, s in enumerate(self.starts[0]) if s + self.span[0] > wanted)
        self.blended = Accumulator(
            size, self.tile, overlap=overlap, blend=blend, emit=emit, first=self.first, done=done
        )

    def __len__(self) -> int:
        """Number of windows, all in all."""
        return math.prod(map(len, self.starts)) // len(self.starts[0]) * (len(self.starts[0]) - self.first)

    def row_spans(self) -> list[tuple[int, int]]:
        """First and last row that each band of windows needs beyond those of the band before."""
        first, *others = self.starts[0][self.first :]
        ends = [start + self.span[0] for start in (first, *others)]
        return list(zip([first, *ends[:-1]], ends, strict=True))

    def windows(self, rows: Iterable[Rows]) -> Iterator[np.ndarray | None]:
        """Inputs of the network, from the rows that `row_spans` asks for; None for windows without data."""
        others = [
            [slice(start, start + span) for start in axis]
            for axis, span in zip(self.starts[1:], self.span[1:], strict=True)
        ]
        for band in _bands(rows, self.span[0]):
            for place in itertools.product(*others):
                valid = band.valid[(slice(None), *place)]
                if valid.any():
                    window = Rows(band.data[(slice(None), slice(None), *place)], valid)
                    yield pad_to(self.prepare(window), self.tile)[0]
                else:
                    yield None

    def add(self, logits: np.ndarray | None) -> None:
        """The answer to the next window; None where the network was not asked."""
        self.blended.add(logits)


def predict_tiled(
    network: Network,
    x: np.ndarray,
    *,
    tile: Sequence[int],
    overlap: float = 0.25,
    blend: str = "gaussian",
    batch_size: int = 4,
    flips: bool = False,
    rotations: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Logits (K, *size) float32 of an array (C, *size) that is the network's input already.

    Args:
        overlap: Of neighbouring tiles, as a fraction of the tile.
        blend: See `axis_weights`.
        batch_size: Tiles per call of the network; no influence on the result.
        flips: Mean of the logits over the flips of all axes (4 in 2D, 8 in 3D).
        rotations: Likewise over quarter turns in the plane of the last two axes.
        progress: Called with the number of tiles done and their total.
    """
    total: list[np.ndarray] = []

    def emit(place: tuple[slice, ...], logits: np.ndarray | None) -> None:
        assert logits is not None  # an array has no window without data
        if not total:
            total.append(np.empty((len(logits), *x.shape[1:]), np.float32))
        total[0][(slice(None), *place)] = logits

    x = np.asarray(x, np.float32)
    everywhere = np.broadcast_to(True, x.shape[1:])
    predict_rows(
        averaged(network, views(tile, flips=flips, rotations=rotations)),
        x.shape[1:],
        lambda spans: (Rows(x[:, a:b], everywhere[a:b]) for a, b in spans),
        emit,
        tile=tile,
        overlap=overlap,
        blend=blend,
        batch_size=batch_size,
        progress=progress,
    )
    return total[0]


def predict_rows(
    network: Network,
    size: Sequence[int],
    rows: Callable[[Sequence[tuple[int, int]]], Iterable[Rows]],
    emit: Emit,
    *,
    tile: Sequence[int],
    overlap: float = 0.25,
    blend: str = "gaussian",
    batch_size: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """`predict_tiled` of an input that nobody holds, without views.

    Args:
        size: Of the image.
        rows: From the first rows, and those after the last, of pieces that follow each other to these rows of
            the network's input. What counts nowhere need not be valid: the network is not asked about windows
            without a valid pixel.
        emit: See `Accumulator`.
    """
    tiling = Tiling(
        size, tile=tile, overlap=overlap, blend=blend, prepare=lambda rows: rows.data.copy(), emit=emit
    )
    run([_OnlyJob(tiling, rows(tiling.row_spans()), progress)], network, batch_size=batch_size)


class _OnlyJob:
    """The only image there is: whatever goes wrong with it is the caller's."""

    def __init__(
        self, tiling: Tiling, rows: Iterable[Rows], progress: Callable[[int, int], None] | None
    ) -> None:
        self.tiling, self.rows, self.progress = tiling, rows, progress
        self.count = 0

    def windows(self) -> Iterator[np.ndarray | None]:
        return self.tiling.windows(self.rows)

    def add(self, logits: np.ndarray | None) -> None:
        self.tiling.add(logits)
        self.count += 1
        if self.progress:
            self.progress(self.count, len(self.tiling))

    def done(self) -> None:
        pass

    def fail(self, error: Exception) -> None:
        raise error


def _bands(rows: Iterable[Rows], height: int) -> Iterator[Rows]:
    """The rows under each band of windows; those shared with the band before are kept, not read again."""
    band: Rows | None = None
    for new in rows:
        if band is None:
            band = Rows(new.data.copy(), new.valid.copy())  # the rows of an array are the caller's
        else:
            kept = height - len(new.valid)
            for old, more in ((band.data.swapaxes(0, 1), new.data.swapaxes(0, 1)), (band.valid, new.valid)):
                old[:kept] = old[height - kept :]
                old[kept:] = more
            del old, more
        del new  # or it would be held as long as its band
        yield band


def _checked(network: Network, batch: np.ndarray) -> np.ndarray:
    """Answers, if they have the shape of the questions."""
    logits = network(batch)
    if logits.shape[0] != len(batch) or logits.shape[2:] != batch.shape[2:]:
        raise ValueError(f"the network gave {logits.shape} for {len(batch)} tiles of {batch.shape[2:]}")
    return logits


def _throw(error: Exception) -> None:
    raise error
