"""An image that is read a few rows at a time, whatever its file's format."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from .geometry import Geometry, Image, Rows, Window, cropped

PIECE = 2**24
"""Bytes that are read at a time where any number would do."""


class Source(ABC):
    """What `Image` says, without the pixels; rows are read when they are wanted, from one thread at a time.

    Args:
        count: Number of bands.
        dtype: Of the rows' data.
        bands: Names found in the file, else ().
        held: Bytes that the format keeps in memory beside the rows that are read.
    """

    def __init__(
        self,
        geometry: Geometry,
        count: int,
        dtype: np.dtype,
        *,
        bands: tuple[str, ...] = (),
        spacing: tuple[float, ...] | None = None,
        unit: str = "px",
        held: int = 0,
    ) -> None:
        self.geometry, self.count, self.dtype = geometry, count, np.dtype(dtype)
        self.bands, self.spacing, self.unit, self.held = bands, spacing, unit, held

    @property
    def size(self) -> tuple[int, ...]:
        """Of the image, (H, W) or (D, H, W)."""
        return self.geometry.size

    @abstractmethod
    def read(self, first: int, last: int) -> Rows:
        """Rows ``first`` to before ``last``; of volumes these are slices.

        Raises:
            FileError: If the file is damaged there.
        """

    def part(self, window: Window) -> Rows:
        """A window of a 2D image; formats that can decode less than whole rows do."""
        rows, columns = window
        data, valid = self.read(rows.start, rows.stop)
        return Rows(data[..., columns], valid[..., columns])

    def close(self) -> None:  # noqa: B027  # most have nothing to let go of
        """Let go of the file."""

    def image(self, window: Window | None = None) -> Image:
        """All of it, or a window of it."""
        data, valid = self.read(0, self.size[0]) if window is None else self.part(window)
        geometry = self.geometry if window is None else cropped(self.geometry, window)
        if valid.shape != geometry.size:
            raise ValueError(f"the window of {geometry.size} does not lie within the image of {self.size}")
        return Image(np.ascontiguousarray(data), valid, self.bands, self.spacing, self.unit, geometry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ImageSource(Source):
    """An image that is in memory."""

    def __init__(self, image: Image) -> None:
        self._image = image
        super().__init__(
            image.geometry,
            len(image.data),
            image.data.dtype,
            bands=image.bands,
            spacing=image.spacing,
            unit=image.unit,
            held=image.data.nbytes + image.valid.nbytes,
        )

    def read(self, first: int, last: int) -> Rows:
        """Views of the image."""
        return Rows(self._image.data[:, first:last], self._image.valid[first:last])

    def image(self, window: Window | None = None) -> Image:
        """The image itself, or a window of it."""
        return self._image if window is None else super().image(window)


class Part(Source):
    """A window of a 2D image.

    Raises:
        ValueError: If it reaches beyond the image.
    """

    def __init__(self, source: Source, window: Window) -> None:
        geometry = cropped(source.geometry, window)
        if any(part.stop > size for part, size in zip(window, source.size, strict=True)):
            raise ValueError(f"the window of {geometry.size} does not lie within the image of {source.size}")
        self._source, self._window = source, window
        super().__init__(
            geometry,
            source.count,
            source.dtype,
            bands=source.bands,
            spacing=source.spacing,
            unit=source.unit,
            held=source.held,
        )

    def read(self, first: int, last: int) -> Rows:
        """Rows of the window."""
        rows, columns = self._window
        return self._source.part((slice(rows.start + first, rows.start + last), columns))

    def close(self) -> None:
        """Let go of the whole image."""
        self._source.close()


def piece(size: Sequence[int], bytes_each: int) -> int:
    """Rows of an image, of so many bytes a pixel, that make up `PIECE`; at least one."""
    return max(1, PIECE // max(1, bytes_each * int(np.prod(size[1:]))))


def pieces(source: Source) -> Iterator[Rows]:
    """All rows in turn, as many at a time as take up `PIECE` in double precision."""
    step = piece(source.size, source.count * 8)
    for first in range(0, source.size[0], step):
        yield source.read(first, min(first + step, source.size[0]))
