"""Which bands of a file go into the network, by name where the file has names."""

import re
from collections.abc import Sequence
from pathlib import Path

from .files import FileError
from .geometry import RasterGeometry, Rows, VolumeGeometry, Window, has_data
from .source import Source

# names that only count, as some programs and unetzoo itself give to bands without a name
_COUNTED = re.compile(r"(band|layer|channel)?[ _-]?\d+", re.IGNORECASE)


def default_bands(count: int) -> tuple[str, ...]:
    """Names for ``count`` bands of files that have none."""
    usual = {1: ("grey",), 3: ("red", "green", "blue")}
    return usual.get(count) or tuple(f"band_{i}" for i in range(1, count + 1))


def select_bands(
    source: Source, wanted: Sequence[str] | int | None, nodata: float | None, path: Path
) -> Source:
    """The image with the bands wanted, in their order; None takes what the file has.

    Bands are picked by name (upper and lower case alike) if both the file and ``wanted`` have telling names;
    otherwise the count must agree. Pictures of one band are repeated for three, and pictures whose three
    bands are equal give one.

    Args:
        nodata: Value that means no data, see `has_data`, in any band of the file.

    Raises:
        FileError: If the bands are not there; for a picture whose three bands differ, when it is read.
    """
    order = range(source.count) if wanted is None else _order(source, wanted, path)
    if nodata is None and list(order) == list(range(source.count)):
        return source
    return _Selected(source, order, nodata, path)


class _Selected(Source):
    """Bands of another source; ``order`` may repeat them."""

    def __init__(self, source: Source, order: Sequence[int], nodata: float | None, path: Path) -> None:
        self._source, self._order, self._nodata, self._path = source, list(order), nodata, path
        named = len(source.bands) == source.count and len(set(order)) == len(order)
        self._merged = source.count == 3 and len(order) == 1 and not named
        super().__init__(
            source.geometry,
            len(order),
            source.dtype,
            bands=tuple(source.bands[i] for i in order) if named else (),
            spacing=source.spacing,
            unit=source.unit,
            held=source.held,
        )

    def read(self, first: int, last: int) -> Rows:
        return self._chosen(self._source.read(first, last))

    def part(self, window: Window) -> Rows:
        return self._chosen(self._source.part(window))

    def _chosen(self, rows: Rows) -> Rows:
        data, valid = rows
        if self._nodata is not None:
            valid = valid & has_data(data, self._nodata)
        if self._merged and not (data == data[:1]).all():
            raise _other_count(self._path, 3, 1)
        return Rows(data if self._order == list(range(len(data))) else data[self._order], valid)

    def close(self) -> None:
        self._source.close()


def _order(source: Source, wanted: Sequence[str] | int, path: Path) -> list[int]:
    names = () if isinstance(wanted, int) else tuple(wanted)
    count = wanted if isinstance(wanted, int) else len(wanted)
    if _telling(names) and _telling(source.bands):
        found = [name.lower() for name in source.bands]
        missing = [name for name in names if name.lower() not in found]
        if missing:
            raise FileError(
                f"{path}: has the bands {', '.join(source.bands)} but not {', '.join(missing)}; "
                f"wanted are {', '.join(names)}"
            )
        return [found.index(name.lower()) for name in names]
    if source.count == count:
        return list(range(count))
    if _is_picture(source) and (source.count, count) in ((1, 3), (3, 1)):
        return [0] * count
    raise _other_count(path, source.count, count, names)


def _other_count(path: Path, has: int, wanted: int, names: Sequence[str] = ()) -> FileError:
    return FileError(
        f"{path}: has {has} band(s) where {wanted} are wanted" + (f" ({', '.join(names)})" if names else "")
    )


def _telling(names: Sequence[str]) -> bool:
    return bool(names) and not all(_COUNTED.fullmatch(name) for name in names)


def _is_picture(source: Source) -> bool:
    geometry = source.geometry
    if isinstance(geometry, VolumeGeometry):
        return False
    return not (isinstance(geometry, RasterGeometry) and geometry.georeferenced)
