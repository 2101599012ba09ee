"""How much hand work a segmentation leaves."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

__all__ = ["Corrections", "human_correction_efforts"]

_CROSS = ndimage.generate_binary_structure(2, 1)
_SQUARE = ndimage.generate_binary_structure(2, 2)


class Corrections(NamedTuple):
    """The clicks that make a segmentation right.

    Attributes:
        false_points: Control points of the borders between false positives and the object.
        false_regions: False positives that touch no object, deleted by one click each.
        missed_points: Control points of the borders between missed parts and the background.
        missed_regions: Missed parts inside the object, filled by one click each.
    """

    false_points: int
    false_regions: int
    missed_points: int
    missed_regions: int

    @property
    def total(self) -> int:
        """Human correction efforts (HCE)."""
        return sum(self)


def human_correction_efforts(
    prediction: np.ndarray, reference: np.ndarray, *, gamma: int = 5, epsilon: float = 2.0
) -> Corrections:
    """Count the clicks that turn one bool mask (H, W) into another (IS-Net's HCE).

    Qin et al. 2022, "Highly Accurate Dichotomous Image Segmentation", arXiv:2203.03041, section 5. Errors
    thinner than about ``2 * gamma`` pixels are forgiven, unless they break what the reference's skeleton says
    is thin. What is left costs one click per control point of its border, or per region where it has none.
    The image's border erodes nothing: objects go on behind it.

    Args:
        gamma: Number of erosions with a 3x3 cross that an error must outlive.
        epsilon: Tolerance of the polygon through a border's pixels (Douglas & Peucker), in pixels.

    Raises:
        ValueError: If the masks are not of one size, or not 2D.
    """
    if prediction.shape != reference.shape or prediction.ndim != 2:
        raise ValueError(
            f"masks of {prediction.shape} and {reference.shape}: correction efforts are for two 2D masks of "
            "one size"
        )
    found, wanted = prediction.astype(bool), reference.astype(bool)
    right, false, missed = found & wanted, found & ~wanted, wanted & ~found
    core = (found | wanted) if gamma == 0 else _erode(found | wanted, gamma)
    false_kept = _regrow(false & core, inside=false, around=~wanted, times=gamma)
    missed_kept = _regrow(missed & core, inside=missed, around=~found, times=gamma)
    missed_kept |= _skeleton(wanted) & ~right
    false_points, false_regions = _clicks(false_kept, right | missed_kept, epsilon)
    outside = ~(right | false_kept | missed_kept)
    missed_points, missed_regions = _clicks(missed_kept, outside, epsilon)
    return Corrections(false_points, false_regions, missed_points, missed_regions)


def _erode(mask: np.ndarray, times: int) -> np.ndarray:
    return np.asarray(ndimage.binary_erosion(mask, _CROSS, iterations=times, border_value=1))


def _regrow(seed: np.ndarray, *, inside: np.ndarray, around: np.ndarray, times: int) -> np.ndarray:
    """The part of an error that is near its eroded core, reached without crossing the object."""
    if times:
        seed = np.asarray(ndimage.binary_dilation(seed, _CROSS, iterations=times, mask=around))
    grown: np.ndarray = seed & inside
    return grown


def _clicks(errors: np.ndarray, beside: np.ndarray, epsilon: float) -> tuple[int, int]:
    """Control points of the borders of ``errors`` that run along ``beside``, and regions without any."""
    import cv2

    labels, count = ndimage.label(errors, _SQUARE)
    near = ndimage.binary_dilation(beside, _CROSS)
    contours, _ = cv2.findContours(errors.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    fresh, touched, points = np.ones(errors.shape, bool), set[int](), 0
    for contour in contours:
        x, y = contour[:, 0, 0], contour[:, 0, 1]
        kept = near[y, x] & fresh[y, x]
        # a thin line is walked there and back; its pixels count once
        first = np.zeros(len(x), bool)
        first[np.unique(y.astype(np.int64) * errors.shape[1] + x, return_index=True)[1]] = True
        kept &= first
        fresh[y[kept], x[kept]] = False
        touched.update(labels[y[kept], x[kept]].tolist())
        for run in _runs(kept):
            points += len(cv2.approxPolyDP(contour[run], epsilon, False))
    return points, int(count) - len(touched)


def _runs(kept: np.ndarray) -> list[np.ndarray]:
    """Indices of the runs of True on a circle."""
    at = np.flatnonzero(kept)
    if not len(at):
        return []
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
    if len(runs) > 1 and kept[0] and kept[-1]:
        runs = [np.concatenate([runs[-1], runs[0]]), *runs[1:-1]]
    return runs


def _skeleton(mask: np.ndarray) -> np.ndarray:
    """Thin a mask to lines of one pixel (Zhang & Suen 1984, the two conditions of section 2)."""
    padded = np.pad(mask, 1)
    thin, width = padded.ravel(), padded.shape[1]
    # the eight neighbours, clockwise from the north
    ring = np.array([-width, 1 - width, 1, width + 1, width, width - 1, -1, -width - 1])
    # only pixels beside the background can go, so only those are looked at
    border = np.flatnonzero(padded & ~ndimage.binary_erosion(padded, _CROSS))
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            around = thin[border[:, None] + ring]
            n, _, e, _, s, _, w, _ = around.T
            neighbours = around.sum(1)
            crossings = (~around & np.roll(around, -1, 1)).sum(1)
            one, other = ((n & e & s), (e & s & w)) if first else ((n & e & w), (n & s & w))
            goes = (neighbours >= 2) & (neighbours <= 6) & (crossings == 1) & ~one & ~other
            if goes.any():
                thin[border[goes]] = False
                beside = (border[goes][:, None] + ring).ravel()
                border = np.unique(np.concatenate([border[~goes], beside[thin[beside]]]))
                changed = True
    return padded[1:-1, 1:-1]
