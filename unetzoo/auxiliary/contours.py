"""Landmarks from masks: as many points along each object's outline as a contour has nodes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unetzoo.inference.contract import IGNORE

__all__ = ["contour_points", "contours_of"]


def contours_of(target: Tensor, nodes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The outlines in a batch of masks, and which of them there are.

    Args:
        target: Class indices (B, H, W), the contours being of class 1, 2 ..., or 0 and 1 as (B, K, H, W).
        nodes: Points per contour.

    Returns:
        Points (B, N, 2), as (x, y) in fractions of the mask, contour after contour; and (B, N), 1 where
        the contour is known. It is not where the class is absent, or has pixels without a label beside it.
    """
    masks = target.cpu().numpy()
    points = np.zeros((len(masks), sum(nodes), 2), np.float32)
    known = np.zeros(points.shape[:2], np.float32)
    for b, mask in enumerate(masks):
        start = 0
        for k, count in enumerate(nodes):
            one, wanted = (mask[k], 1) if mask.ndim == 3 else (mask, k + 1)
            found = contour_points(one == wanted, count, unknown=one == IGNORE)
            if found is not None:
                points[b, start : start + count], known[b, start : start + count] = found, 1
            start += count
    return torch.from_numpy(points).to(target.device), torch.from_numpy(known).to(target.device)


def contour_points(mask: np.ndarray, count: int, *, unknown: np.ndarray | None = None) -> np.ndarray | None:
    """Points at equal steps along the outline of the largest object, clockwise from the topmost.

    Args:
        mask: (H, W), true in the object. Holes are filled.
        unknown: (H, W), true where nobody knows.

    Returns:
        (count, 2), as (x, y) in fractions of the mask, up to a quarter of a pixel within the true outline;
        ``None`` where there is no object, or it may go on where nobody knows.
    """
    import cv2

    # twice as large, for OpenCV goes through the centres of an object's outermost pixels
    large = np.repeat(np.repeat(mask.astype(np.uint8), 2, 0), 2, 1)
    outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    largest = max(outlines, key=cv2.contourArea)
    if unknown is not None and unknown.any():
        alone = cv2.drawContours(np.zeros_like(large), [largest], -1, 1, cv2.FILLED)
        beside = cv2.dilate(alone, np.ones((5, 5), np.uint8))[::2, ::2] > 0
        if (beside & unknown).any():
            return None
    outline = largest[:, 0].astype(np.float64)
    if cv2.contourArea(largest, oriented=True) < 0:
        outline = outline[::-1]
    first = np.lexsort((outline[:, 0], outline[:, 1]))[0]  # the topmost, of several the leftmost
    outline = np.roll(outline, -first, 0)
    closed = np.concatenate([outline, outline[:1]])
    along = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    steps = np.arange(count) / count * along[-1]
    points: np.ndarray = np.stack([np.interp(steps, along, closed[:, axis]) for axis in (0, 1)], 1)
    points = (points + 0.5) / (2 * np.array(mask.shape[::-1]))
    return points
