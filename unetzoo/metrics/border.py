"""Agreement near the border of objects, and agreement up to a few pixels."""

import math

import numpy as np
from scipy import ndimage

__all__ = ["BOUNDARY", "RELAXED", "boundary_iou", "relaxed_f1"]

BOUNDARY = 0.02
"""Width of the border of boundary IoU, as a fraction of the image's diagonal."""
RELAXED = 3
"""Slack of relaxed precision and recall in pixels."""


def boundary_iou(prediction: np.ndarray, reference: np.ndarray, *, fraction: float = BOUNDARY) -> float:
    """IoU of the pixels of two bool masks (*size), each with a pixel, that are near their own border.

    Cheng et al. 2021, "Boundary IoU", arXiv:2103.16562, eq. 2; near is within ``fraction`` of the image's
    diagonal, in steps to any of the 8 (26) neighbours. An object that touches the image's border ends there.
    """
    steps = max(1, round(fraction * math.hypot(*reference.shape)))
    found, wanted = _rim(prediction, steps), _rim(reference, steps)
    return float((found & wanted).sum() / (found | wanted).sum())


def relaxed_f1(prediction: np.ndarray, reference: np.ndarray, *, slack: float = RELAXED) -> float:
    """Harmonic mean of relaxed precision and recall of two bool masks (*size), each with a pixel.

    Mnih & Hinton 2010, "Learning to detect roads in high-resolution aerial images", section 5: the
    fraction of predicted pixels within ``slack`` pixels of a true one, and of true ones of a predicted one.
    """
    precision = float((ndimage.distance_transform_edt(~reference)[prediction] <= slack).mean())
    recall = float((ndimage.distance_transform_edt(~prediction)[reference] <= slack).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _rim(mask: np.ndarray, steps: int) -> np.ndarray:
    """The mask less what is left after ``steps`` erosions with a full square or cube."""
    core = mask
    for axis in range(mask.ndim):  # many erosions with a square are one minimum along each axis
        core = ndimage.minimum_filter1d(core, 2 * steps + 1, axis, mode="constant", cval=False)
    return np.asarray(mask & ~core)
