"""One image on its way: rows in, windows to the network, finished rows out to wherever they belong."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .contract import Contract
from .decode import channels
from .geometry import Rows
from .normalise import Scale, rescale, scale_of
from .source import Source
from .tiling import Tiling

Progress = Callable[[int, int], None]
Decode = Callable[[np.ndarray, Contract], np.ndarray]


class Sink(Protocol):
    """Takes finished rows (count, rows, *rest), from the first to the last."""

    def append(self, piece: np.ndarray) -> None:
        """The next rows."""


@dataclass(frozen=True)
class Output:
    """One of the things that are made of an image.

    Args:
        decode: Logits (channels, *block) to (count, *block).
        missing: Stands where the image has no data; None: whatever the network says there.
    """

    decode: Decode
    count: int
    dtype: str
    missing: float | None
    sink: Sink


class ImageJob:
    """An open image for `run`; what it raises is for the caller to handle.

    Args:
        scale: For `rescale`; None: that of the image.
        done: Bands of windows that all sinks hold already.
        background: Reads the next rows and hands finished ones to the sinks while the network computes.
        progress: Called with the number of tiles done and their total.
    """

    def __init__(
        self,
        source: Source,
        contract: Contract,
        outputs: Sequence[Output],
        *,
        scale: Scale | None = None,
        done: int = 0,
        background: Executor | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source, self.contract, self.outputs, self.progress = source, contract, outputs, progress
        self.background = background
        self.scale = scale or scale_of(source, contract.data.normalisation)
        self.tiling = Tiling(
            source.size,
            tile=contract.data.tile,
            overlap=contract.overlap,
            blend=contract.blend,
            prepare=lambda rows: rescale(rows, self.scale),
            emit=self._emit,
            done=done,
        )
        starts = self.tiling.starts[0]
        self.answered = 0
        self.row = 0 if done == 0 else (starts[done] if done < len(starts) else source.size[0])
        self.complete = self.row == source.size[0]
        self._read_from = starts[self.tiling.first]
        self._valid: list[np.ndarray] = []
        self._strips: list[np.ndarray] = []
        self._reading: Future[Rows] | None = None
        self._writing: Future[None] | None = None

    def windows(self) -> Iterator[np.ndarray | None]:
        """Inputs of the network."""
        if not self.complete:
            yield from self.tiling.windows(self._rows())

    def add(self, logits: np.ndarray | None) -> None:
        """The answer to the next window."""
        if logits is not None and len(logits) != channels(self.contract):
            raise ValueError(
                f"the network gives {len(logits)} channel(s) where its contract says "
                f"{channels(self.contract)}"
            )
        self.tiling.add(logits)
        self.answered += 1
        if self.progress:
            self.progress(self.answered, len(self.tiling))

    def done(self) -> None:
        """Wait until the sinks have everything."""
        if self._writing:
            self._writing.result()

    def abandon(self) -> None:
        """Wait until nothing is read or written any more, come what may."""
        under_way: list[Future[Any]] = [future for future in (self._reading, self._writing) if future]
        wait(under_way)

    def _rows(self) -> Iterator[Rows]:
        spans = self.tiling.row_spans()
        ahead = self._start(*spans[0])
        for following in [*spans[1:], None]:
            rows = [ahead()]
            self._reading = None
            if following:
                ahead = self._start(*following)
            self._valid.append(rows[0].valid)
            yield rows.pop()  # nothing here holds on to it

    def _start(self, first: int, last: int) -> Callable[[], Rows]:
        if self.background is None:
            return lambda: self.source.read(first, last)
        self._reading = self.background.submit(self.source.read, first, last)
        return self._reading.result

    def _emit(self, place: tuple[slice, ...], logits: np.ndarray | None) -> None:
        where, *others = place
        if not self._strips:
            shape = (where.stop - where.start, *self.source.size[1:])
            self._strips = [np.zeros((o.count, *shape), o.dtype) for o in self.outputs]
        if logits is not None:
            for strip, output in zip(self._strips, self.outputs, strict=True):
                strip[(slice(None), slice(None), *others)] = output.decode(logits, self.contract)
        if all(at.stop == end for at, end in zip(others, self.source.size[1:], strict=True)):
            self._finish(where.start, where.stop)

    def _finish(self, first: int, last: int) -> None:
        """Hand over the rows of a band that is complete, marked where there is no data."""
        missing = ~self._known(first, last)
        strips, self._strips = self._strips, []
        if self._writing:  # two strips are all that is held
            self._writing.result()
        if self.background is None:
            self._write(strips, missing)
        else:
            self._writing = self.background.submit(self._write, strips, missing)
        self.row = last

    def _write(self, strips: Sequence[np.ndarray], missing: np.ndarray) -> None:
        for strip, output in zip(strips, self.outputs, strict=True):
            if output.missing is not None:
                strip[:, missing] = output.missing
            output.sink.append(strip)

    def _known(self, first: int, last: int) -> np.ndarray:
        """Where rows have data; those before the last are of no more use."""
        valid = np.concatenate(self._valid) if len(self._valid) > 1 else self._valid[0]
        found = valid[first - self._read_from : last - self._read_from]
        self._valid, self._read_from = [valid[last - self._read_from :]], last
        return found
