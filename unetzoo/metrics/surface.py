"""Distances between the surfaces of two masks."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Surface", "average_distance", "bounds", "diagonal", "largest_distance", "surface"]

_PIECE = 2**20
"""Pixels whose borders are found at a time: that takes more than 100 bytes each."""


class Surface(NamedTuple):
    """How far two masks' surfaces are apart.

    Attributes:
        hd95: In the unit of the spacing.
        nsd: Fraction of both surfaces that lies within the tolerance of the other one, 0 to 1.
    """

    hd95: float
    nsd: float


def surface(
    prediction: np.ndarray, reference: np.ndarray, *, spacing: Sequence[float], tolerance: float
) -> Surface:
    """HD95 and normalised surface distance of two bool masks (*size), each with at least one pixel.

    HD95 is the 95th percentile of the distances from the border pixels of one mask to the nearest border
    pixel of the other, taken in each direction, the larger of the two (Huttenlocher et al. 1993, with a
    percentile in place of the maximum). NSD is the surface Dice of Nikolov et al. 2018, arXiv:1809.04430, on
    surface elements weighted by their length or area, so that anisotropic spacing is right. Both are MONAI's,
    whose borders and surface elements are found some rows at a time. An object that touches the image's
    border is closed there.

    Args:
        spacing: Size of a pixel per axis of size.
        tolerance: Distance within which surfaces agree, in the unit of the spacing.
    """
    hd95 = max(float(np.percentile(d, 95)) for d in _distances(prediction, reference, spacing))
    (found, of_found), (wanted, of_wanted) = _elements(prediction, reference, spacing)
    agreeing = whole = 0.0
    for here, there, areas in ((found, wanted, of_found), (wanted, found, of_wanted)):
        # in single precision, or 3 * 0.1 would not be within 0.3
        near = _nearest(here, there).astype(np.float32) <= np.float32(tolerance)
        agreeing, whole = agreeing + float(areas[near].sum()), whole + float(areas.sum())
    return Surface(hd95, agreeing / whole)


def largest_distance(prediction: np.ndarray, reference: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Hausdorff distance of two bool masks as of `surface`, in the spacing's unit; one pixel decides it."""
    return max(float(d.max()) for d in _distances(prediction, reference, spacing))


def average_distance(prediction: np.ndarray, reference: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Average symmetric surface distance (ASSD) of two bool masks as of `surface`, in the spacing's unit.

    The mean over the border pixels of both masks of the distance to the other's nearest (Heimann et al. 2009,
    "Comparison and evaluation of methods for liver segmentation from CT datasets", eq. 6).
    """
    return float(np.concatenate(_distances(prediction, reference, spacing)).mean())


def diagonal(size: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of the image's diagonal in the unit of the spacing: no distance inside it is larger."""
    return math.hypot(*(count * step for count, step in zip(size, spacing, strict=True)))


def _distances(a: np.ndarray, b: np.ndarray, spacing: Sequence[float]) -> list[np.ndarray]:
    """From each border pixel of one mask to the nearest of the other, in both directions."""
    from monai.metrics.utils import get_mask_edges

    places: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    inner = (slice(1, -1),) * a.ndim
    for first, masks in _slabs(a, b, shared=2):
        for found, edges in zip(places, get_mask_edges(*masks, crop=False), strict=True):
            found.append(np.argwhere(edges[inner]) + first)
    here, there = (np.concatenate(found) * np.array(spacing, np.float64) for found in places)
    return [_nearest(here, there), _nearest(there, here)]


def _elements(a: np.ndarray, b: np.ndarray, spacing: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each mask the places (N, ndim) of its surface elements, and their length or area (N,)."""
    import torch
    from monai.metrics.utils import get_mask_edges

    places: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    areas: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    scale = tuple(float(step) for step in spacing)
    for first, masks in _slabs(a, b, shared=1):
        tensors = [torch.from_numpy(mask) for mask in masks]
        *edges, one, other = (t.numpy() for t in get_mask_edges(*tensors, crop=False, spacing=scale))
        for i, (edge, area) in enumerate(zip(edges, (one, other), strict=True)):
            places[i].append(np.argwhere(edge) + first)
            areas[i].append(area[edge].astype(np.float64))
    return [
        (np.concatenate(p) * np.array(spacing, np.float64), np.concatenate(m))
        for p, m in zip(places, areas, strict=True)
    ]


def _slabs(a: np.ndarray, b: np.ndarray, *, shared: int) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Rows of two masks, with a margin of 1, cut to where they are; neighbours share so many rows.

    With each comes the place of its first pixel behind the margin.
    """
    box = bounds(a | b)
    masks = [np.pad(mask[box], 1) for mask in (a, b)]
    origin = np.array([part.start for part in box])
    rows = masks[0].shape[0] - shared
    step = max(1, _PIECE // math.prod(masks[0].shape[1:]))
    for first in range(0, rows, step):
        origin_here = origin.copy()
        origin_here[0] += first
        yield origin_here, [mask[first : min(first + step, rows) + shared] for mask in masks]


def _nearest(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """From each place (N, ndim) to the nearest of others."""
    from scipy.spatial import KDTree

    return np.asarray(KDTree(there, leafsize=32).query(here)[0])


def bounds(mask: np.ndarray) -> tuple[slice, ...]:
    """The box around a mask's pixels; distances depend on nothing outside it."""
    box = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
