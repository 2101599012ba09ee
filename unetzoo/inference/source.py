"""An image that is read a few rows at a time, whatever its file's format."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np

from .geometry import Geometry, Image, Rows

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

    def close(self) -> None:  # noqa: B027  # most have nothing to let go of
        """Let go of the file."""

    def image(self) -> Image:
        """All of it."""
        data, valid = self.read(0, self.size[0])
        return Image(np.ascontiguousarray(data), valid, self.bands, self.spacing, self.unit, self.geometry)

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

    def image(self) -> Image:
        """The image itself."""
        return self._image


def piece(size: Sequence[int], bytes_each: int) -> int:
    """Rows of an image, of so many bytes a pixel, that make up `PIECE`; at least one."""
    return max(1, PIECE // max(1, bytes_each * int(np.prod(size[1:]))))
