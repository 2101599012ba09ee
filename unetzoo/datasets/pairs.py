"""An image and the one that is to be made of it, some rows at a time, so that large scenes are never held."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..inference.contract import DataSpec
from ..inference.image import image_size, open_like, open_part, read_mask
from ..inference.raster import SUFFIXES
from ..inference.source import ImageSource, Source
from . import scenes
from .case import Case
from .reader import read_case, where_it_counts


class Pair(NamedTuple):
    """A case of regression.

    Attributes:
        image: The case's part of the file, with the bands of the spec.
        target: From the first row to the one after the last, what `Sample.target` holds of these,
            (K, rows, *rest).
    """

    image: Source
    target: Callable[[int, int], np.ndarray]


@contextmanager
def open_pair(case: Case, spec: DataSpec) -> Iterator[Pair]:
    """A case with a target image: from its files where these are large rasters, else from memory.

    Raises:
        ValueError: As `read_case`.
    """
    if case.target is None or not is_large(case, spec):
        sample = read_case(case, spec)
        whole = sample.reference
        yield Pair(ImageSource(sample.image), lambda first, last: whole[:, first:last])
        return
    assert spec.target is not None
    with open_part(case.image, bands=spec.bands, nodata=spec.nodata, window=case.window) as image:
        region = case.window or tuple(slice(0, n) for n in image.size)
        if case.mask is not None:
            open_like(case.mask, image.geometry, "mask", window=case.window).close()

        def rows(first: int, last: int) -> np.ndarray:
            window = (slice(region[0].start + first, region[0].start + last), region[1])
            body = None if case.mask is None else read_mask(case.mask, window=window)
            return where_it_counts(target.read(first, last), image.read(first, last).valid, body)

        bands = spec.target.bands
        with open_like(case.target, image.geometry, "target", bands=bands, window=case.window) as target:
            yield Pair(image, rows)


def is_large(case: Case, spec: DataSpec) -> bool:
    """Whether a case is read by rows, told from its header."""
    files = [file for file in (case.image, case.target, case.mask) if file is not None]
    if spec.ndim != 2 or not all(file.name.lower().endswith(SUFFIXES) for file in files):
        return False
    size = image_size(case.image) if case.window is None else [w.stop - w.start for w in case.window]
    return len(size) == 2 and size[0] * size[1] >= scenes.LARGE
