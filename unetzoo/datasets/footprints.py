"""Where tiles of a scene lie on the ground, and which of them overlap, touch or are near each other."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..inference.geometry import Geometry, RasterGeometry
from .case import Case

_CHUNK = 4096  # pairs are compared so many rows at a time


class Footprint(NamedTuple):
    """Bounds of a raster, in the units of its coordinate reference system."""

    crs: str
    """Or the image, whose pixels are then the units."""
    low: tuple[float, float]
    high: tuple[float, float]
    pixel: float
    """Edge of a pixel, the shorter one."""


def footprint(geometry: Geometry, case: Case) -> Footprint | None:
    """The bounds of a raster that has a transform, else of a window in its image; None for what lies nowhere.

    Args:
        geometry: Of the case, not of the image it may be a window of.
    """
    if not isinstance(geometry, RasterGeometry) or geometry.transform.is_identity:
        if case.window is None:
            return None
        rows, columns = case.window
        return Footprint(str(case.image), (columns.start, rows.start), (columns.stop, rows.stop), 1.0)
    transform, (height, width) = geometry.transform, geometry.size
    matrix = np.array(tuple(transform)[:6]).reshape(2, 3)
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]) @ matrix.T
    (x, y), (right, top) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    pixel = min(np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e))
    return Footprint(
        "" if geometry.crs is None else geometry.crs.to_wkt(), (x, y), (right, top), float(pixel)
    )


def near(places: Sequence[Footprint], buffer: float = 0.0) -> Iterator[tuple[int, int, float]]:
    """Pairs of indices, the smaller one first, that are at most ``buffer`` apart, and how far that is.

    The distance is that along the axis on which they are further apart, in the units of the reference system;
    it is 0 between tiles that touch, and negative, by its depth, where they overlap. Half a pixel is taken
    for rounding.
    """
    if not places:
        return
    low, high = np.array([p.low for p in places]), np.array([p.high for p in places])
    half = np.array([p.pixel / 2 for p in places])
    systems = np.unique([p.crs for p in places], return_inverse=True)[1]
    for start in range(0, len(places), _CHUNK):
        rows = slice(start, start + _CHUNK)
        gap = np.maximum(low[rows, None] - high[None], low[None] - high[rows, None]).max(axis=2)
        slack = np.minimum(half[rows, None], half[None])
        together = (gap <= buffer + slack) & (systems[rows, None] == systems[None])
        for row, column in np.argwhere(together):
            if start + row < column:
                distance = float(gap[row, column])
                yield start + int(row), int(column), 0.0 if abs(distance) <= slack[row, column] else distance
