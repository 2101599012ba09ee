"""Distances between the surfaces of two masks."""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Surface", "diagonal", "surface"]


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
    surface elements weighted by their length or area, so that anisotropic spacing is right. Both are MONAI's.
    An object that touches the image's border is closed there.

    Args:
        spacing: Size of a pixel per axis of size.
        tolerance: Distance within which surfaces agree, in the unit of the spacing.
    """
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    box = _bounds(prediction | reference)
    found, wanted = (
        torch.from_numpy(np.ascontiguousarray(m[box]))[None, None] for m in (prediction, reference)
    )
    scale = tuple(float(value) for value in spacing)
    with warnings.catch_warnings():
        # MONAI deprecates arguments that its own functions pass on, once per call
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = compute_hausdorff_distance(
            found, wanted, include_background=True, percentile=95, spacing=scale
        )
        nsd = compute_surface_dice(
            found, wanted, [tolerance], include_background=True, spacing=scale, use_subvoxels=True
        )
    return Surface(float(hd95), float(nsd))


def diagonal(size: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of the image's diagonal in the unit of the spacing: no distance inside it is larger."""
    return math.hypot(*(count * step for count, step in zip(size, spacing, strict=True)))


def _bounds(mask: np.ndarray) -> tuple[slice, ...]:
    """The box around a mask's pixels; distances depend on nothing outside it."""
    box = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
