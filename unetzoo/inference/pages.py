"""A TIFF of several pages is a volume, one page a slice, as microscopes write stacks."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from . import pictures, raster
from .files import FileError, replacing
from .geometry import Rows, VolumeGeometry
from .source import Source
from .volume import finite, place_volume

SUFFIX = ".tif"


class PagesSource(Source):
    """Pages as slices (z, y, x), read one at a time; how far they are apart is not known.

    Raises:
        FileError: If pages differ in size or bands.
    """

    def __init__(self, path: Path, pages: int) -> None:
        first = raster.read_page(path, 0)
        count, height, width = first.shape
        geometry = place_volume(path, (width, height, pages), np.eye(4), suffix=SUFFIX)
        self._path = path
        super().__init__(geometry, count, first.dtype)

    def read(self, first: int, last: int) -> Rows:
        """Pages, in their order."""
        pages = [raster.read_page(self._path, page) for page in range(first, last)]
        if {(page.shape, page.dtype) for page in pages} != {((self.count, *self.size[1:]), self.dtype)}:
            raise FileError(
                f"{self._path}: its pages differ in size or type, so they are no volume; save the page to "
                "use as a file of its own"
            )
        data = np.stack(pages, axis=1)
        return Rows(data, finite(data))


def write_pages(path: Path, slices: Iterable[np.ndarray], like: VolumeGeometry) -> None:
    """Labels (1, z, y, x), in pieces from the first page to the last, one page a slice."""
    pillow = pictures.pillow()
    pages = (pillow.fromarray(np.ascontiguousarray(page)) for piece in slices for page in piece[0])
    with replacing(path) as temporary:
        next(pages).save(
            temporary, format="TIFF", save_all=True, append_images=pages, compression="tiff_deflate"
        )
