"""Distances between the surfaces of two masks."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Surface", "average_distance", "bounds", "diagonal", "largest_distance", "surface"]


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
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    hd95 = _monai(compute_hausdorff_distance, prediction, reference, spacing, percentile=95)
    nsd = _monai(
        compute_surface_dice, prediction, reference, spacing, class_thresholds=[tolerance], use_subvoxels=True
    )
    return Surface(hd95, nsd)


def largest_distance(prediction: np.ndarray, reference: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Hausdorff distance of two bool masks as of `surface`, in the spacing's unit; one pixel decides it."""
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance

    return _monai(compute_hausdorff_distance, prediction, reference, spacing)


def average_distance(prediction: np.ndarray, reference: np.ndarray, *, spacing: Sequence[float]) -> float:
    """Average symmetric surface distance (ASSD) of two bool masks as of `surface`, in the spacing's unit.

    The mean over the border pixels of both masks of the distance to the other's nearest (Heimann et al. 2009,
    "Comparison and evaluation of methods for liver segmentation from CT datasets", eq. 6).
    """
    from monai.metrics.surface_distance import compute_average_surface_distance

    return _monai(compute_average_surface_distance, prediction, reference, spacing, symmetric=True)


def diagonal(size: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of the image's diagonal in the unit of the spacing: no distance inside it is larger."""
    return math.hypot(*(count * step for count, step in zip(size, spacing, strict=True)))


def _monai(
    function: Callable[..., object],
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    **options: object,
) -> float:
    """One of MONAI's functions on two masks, cut to where they are."""
    import torch

    box = bounds(prediction | reference)
    found, wanted = (
        torch.from_numpy(np.ascontiguousarray(m[box]))[None, None] for m in (prediction, reference)
    )
    scale = tuple(float(value) for value in spacing)
    with warnings.catch_warnings():
        # MONAI deprecates arguments that its own functions pass on, once per call
        warnings.simplefilter("ignore", FutureWarning)
        value = function(y_pred=found, y=wanted, include_background=True, spacing=scale, **options)
    return float(value)  # type: ignore[arg-type]


def bounds(mask: np.ndarray) -> tuple[slice, ...]:
    """The box around a mask's pixels; distances depend on nothing outside it."""
    box = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
