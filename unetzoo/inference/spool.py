"""A result on its way to its file: finished rows, compressed, that survive the process that computed them."""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .files import FileError

try:
    import fcntl
except ImportError:  # Windows has no such lock, and no two processes should be given one output folder there
    fcntl = None  # type: ignore[assignment]

_HEAD = struct.Struct("<QI")  # bytes of a piece, and their checksum


class Spool:
    """Pieces of a result (count, rows, *rest), appended in order and read again from the first.

    What was appended before a process was killed is there for the next one that gives the same ``key``.

    Args:
        path: Made if it is not there; belongs to one process at a time.
        key: Of everything that the result depends on; None is never resumed.
        shape: (count, *size) of the whole result.

    Raises:
        FileError: If another process is writing to it.
    """

    def __init__(self, path: Path, key: str | None, shape: Sequence[int], dtype: str) -> None:
        self.path, self.dtype = path, np.dtype(dtype)
        self._count, self._rest = shape[0], tuple(shape[2:])
        self._file = path.open("a+b")
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._file.close()
                raise FileError(f"{path}: another process is computing this result; let it end") from error
        self._ends = [0]
        self._begin(f"{key}\n{dtype} {tuple(shape)}\n".encode(), known=key is not None)

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self._ends) - 1

    def append(self, piece: np.ndarray) -> None:
        """The next rows."""
        raw = np.ascontiguousarray(piece, self.dtype).tobytes()
        # labels shrink to a hundredth in no time, probabilities do not
        packed = zlib.compress(raw, 1) if self.dtype.itemsize == 1 else raw
        self._file.write(_HEAD.pack(len(packed), zlib.crc32(packed)) + packed)
        self._file.flush()
        self._ends.append(self._ends[-1] + _HEAD.size + len(packed))

    def shorten(self, count: int) -> None:
        """Keep the first pieces only."""
        del self._ends[count + 1 :]
        self._file.truncate(self._ends[-1])

    def pieces(self) -> Iterator[np.ndarray]:
        """All that was appended."""
        for start in self._ends[:-1]:
            packed = self._piece(start)
            assert packed is not None
            raw = zlib.decompress(packed) if self.dtype.itemsize == 1 else packed
            yield np.frombuffer(raw, self.dtype).reshape(self._count, -1, *self._rest)

    def close(self, *, keep: bool) -> None:
        """Let go of the file, and remove it unless what it holds is of use to a later process."""
        if not keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)  # before the lock goes
        self._file.close()

    def _begin(self, title: bytes, *, known: bool) -> None:
        """Find the end of what is there, or start anew."""
        self._file.seek(0)
        if not (known and self._file.read(len(title)) == title):
            self._file.truncate(0)
            self._file.write(title)
            self._file.flush()
        self._ends = [len(title)]
        while (packed := self._piece(self._ends[-1])) is not None:
            self._ends.append(self._ends[-1] + _HEAD.size + len(packed))
        self._file.truncate(self._ends[-1])  # a piece that was cut short

    def _piece(self, start: int) -> bytes | None:
        self._file.seek(start)
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        length, checksum = _HEAD.unpack(head)
        packed: bytes = self._file.read(length)
        return packed if len(packed) == length and zlib.crc32(packed) == checksum else None
