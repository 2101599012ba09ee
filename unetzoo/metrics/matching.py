"""Which segment is which class: segments found without labels have no names."""

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["match_segments"]


def match_segments(pixels: np.ndarray, *, one_to_one: bool = True) -> np.ndarray:
    """The class of every segment, (segments,), found on labelled cases that are not the ones to be judged.

    Args:
        pixels: How many pixels of each segment belong to each class, (segments, classes).
        one_to_one: Give every class one segment, such that the sum of their Dice is largest, and each segment
            that is left the class of most of its pixels; or give all segments that. The latter may leave a
            class without any.

    Raises:
        ValueError: If there are fewer segments than classes, with ``one_to_one``.
    """
    most = np.asarray(pixels.argmax(1))
    if not one_to_one:
        return most
    if len(pixels) < pixels.shape[1]:
        raise ValueError(
            f"{len(pixels)} segments cannot be matched one to one with {pixels.shape[1]} classes; "
            "train with more segments"
        )
    size = pixels.sum(1, keepdims=True) + pixels.sum(0, keepdims=True)
    segments, classes = linear_sum_assignment(pixels / np.maximum(size, 1), maximize=True)
    most[segments] = classes
    return most
