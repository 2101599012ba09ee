"""All measures of one case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unetzoo.inference.contract import IGNORE
from unetzoo.metrics.counts import EmptyPolicy, count, overlap
from unetzoo.metrics.surface import diagonal, surface

__all__ = ["ClassScore", "Status", "measure"]

Status = Literal["ok", "missed", "false alarm", "absent", "unlabelled"]
"""ok: both masks have the class; missed: the reference alone; false alarm: the prediction alone;
absent: neither; unlabelled: the case has no labelled pixel."""


@dataclass(frozen=True)
class ClassScore:
    """One class of one case.

    Args:
        index: Of the class.
        labelled: Pixels that carry a label.
        tp: Pixels in both masks.
        fp: Pixels in the prediction alone.
        fn: Pixels in the reference alone.
        hd95: In the unit of the spacing.
        nsd: 0 to 1.
    """

    index: int
    status: Status
    labelled: int
    tp: int
    fp: int
    fn: int
    dice: float
    iou: float
    precision: float
    recall: float
    hd95: float
    nsd: float

    @property
    def failed(self) -> bool:
        """One of the two masks is empty: nothing was found, or nothing was there."""
        return self.status in ("missed", "false alarm")


def measure(
    prediction: np.ndarray,
    reference: np.ndarray,
    *,
    classes: Sequence[int],
    num_classes: int,
    spacing: Sequence[float],
    tolerance: float,
    empty: EmptyPolicy = "nan",
) -> list[ClassScore]:
    """Score label maps (*size), or (K, *size) of 0 and 1, for each of ``classes``.

    Pixels without a label (255 in the reference) belong to neither mask. Where one mask is empty the overlap
    and NSD are 0 and HD95 is the image's diagonal; where both are, ``empty`` decides.

    Args:
        spacing: Size of a pixel per axis of size; its length tells label maps from stacks of classes.
        tolerance: Of NSD, in the unit of the spacing.
    """
    multilabel = reference.ndim == len(spacing) + 1
    counts = count(prediction, reference, num_classes, multilabel=multilabel)
    overlaps = overlap(counts, empty=empty)
    size = reference.shape[-len(spacing) :]
    scores = []
    for index in classes:
        tp, fp, fn, labelled = (int(item[index]) for item in counts)
        status = _status(tp, fp, fn, labelled)
        if status == "ok":
            found, wanted = (
                (mask[index] == 1) if multilabel else (mask == index) for mask in (prediction, reference)
            )
            found &= (reference[index] if multilabel else reference) != IGNORE
            hd95, nsd = surface(found, wanted, spacing=spacing, tolerance=tolerance)
        elif status in ("missed", "false alarm"):
            hd95, nsd = diagonal(size, spacing), 0.0
        else:
            perfect = status == "absent" and empty == "one"
            hd95, nsd = (0.0, 1.0) if perfect else (np.nan, np.nan)
        dice, iou, precision, recall = (float(item[index]) for item in overlaps)
        scores.append(
            ClassScore(index, status, labelled, tp, fp, fn, dice, iou, precision, recall, hd95, nsd)
        )
    return scores


def _status(tp: int, fp: int, fn: int, labelled: int) -> Status:
    if not labelled:
        return "unlabelled"
    if not tp + fn:
        return "false alarm" if fp else "absent"
    return "ok" if tp + fp else "missed"
