"""Which bands of a file go into the network, by name where the file has names."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .files import FileError
from .geometry import Image, RasterGeometry, VolumeGeometry

# names that only count, as some programs and unetzoo itself give to bands without a name
_COUNTED = re.compile(r"(band|layer|channel)?[ _-]?\d+", re.IGNORECASE)


def default_bands(count: int) -> tuple[str, ...]:
    """Names for ``count`` bands of files that have none."""
    usual = {1: ("grey",), 3: ("red", "green", "blue")}
    return usual.get(count) or tuple(f"band_{i}" for i in range(1, count + 1))


def select_bands(image: Image, wanted: Sequence[str] | int, path: Path) -> Image:
    """The image with the bands wanted, in their order.

    Bands are picked by name (upper and lower case alike) if both the file and ``wanted`` have telling names;
    otherwise the count must agree. Pictures of one band are repeated for three, and pictures whose three
    bands are equal give one.

    Raises:
        FileError: If the bands are not there.
    """
    names = () if isinstance(wanted, int) else tuple(wanted)
    count = wanted if isinstance(wanted, int) else len(wanted)
    if _telling(names) and _telling(image.bands):
        found = [name.lower() for name in image.bands]
        missing = [name for name in names if name.lower() not in found]
        if missing:
            raise FileError(
                f"{path}: has the bands {', '.join(image.bands)} but not {', '.join(missing)}; "
                f"wanted are {', '.join(names)}"
            )
        order = [found.index(name.lower()) for name in names]
        return replace(image, data=image.data[order], bands=tuple(image.bands[i] for i in order))
    if len(image.data) == count:
        return image
    if _is_picture(image):
        if len(image.data) == 1 and count == 3:
            return replace(image, data=np.repeat(image.data, 3, axis=0), bands=())
        if len(image.data) == 3 and count == 1 and (image.data == image.data[:1]).all():
            return replace(image, data=image.data[:1], bands=())
    raise FileError(
        f"{path}: has {len(image.data)} band(s) where {count} are wanted"
        + (f" ({', '.join(names)})" if names else "")
    )


def _telling(names: Sequence[str]) -> bool:
    return bool(names) and not all(_COUNTED.fullmatch(name) for name in names)


def _is_picture(image: Image) -> bool:
    geometry = image.geometry
    if isinstance(geometry, VolumeGeometry):
        return False
    return not (isinstance(geometry, RasterGeometry) and geometry.georeferenced)
