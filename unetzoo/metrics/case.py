"""All measures of one case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from unetzoo.inference.contract import IGNORE
from unetzoo.metrics.calibration import Reliability
from unetzoo.metrics.counts import EmptyPolicy, count, overlap
from unetzoo.metrics.extras import EXTRAS, PROBABILISTIC, Pair
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
        extra: Measures that were asked for, by name.
        reliability: Of the class's probability, if that was asked for.
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
    extra: Mapping[str, float] = field(default_factory=dict)
    reliability: Reliability | None = None

    def __getitem__(self, name: str) -> Any:
        """A measure or count by name."""
        return self.extra[name] if name in self.extra else getattr(self, name)

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
    extras: Sequence[str] = (),
    numbers: np.ndarray | None = None,
    trust: Mapping[int, Reliability] | None = None,
) -> list[ClassScore]:
    """Score label maps (*size), or (K, *size) of 0 and 1, for each of ``classes``.

    Pixels without a label (255 in the reference) belong to neither mask. Where one mask is empty the overlap
    and NSD are 0 and HD95 is the image's diagonal; where both are, ``empty`` decides. Extras follow the same
    rule, but for those of probabilities, which need labelled pixels alone.

    Args:
        spacing: Size of a pixel per axis of size; its length tells label maps from stacks of classes.
        tolerance: Of NSD, in the unit of the spacing.
        extras: Names of ``EXTRAS``.
        numbers: The reference's objects (*size), 0 for none, for measures of objects; None: its components.
        trust: Of each class, for measures of probabilities; see ``Tally``.
    """
    multilabel = reference.ndim == len(spacing) + 1
    counts = count(prediction, reference, num_classes, multilabel=multilabel)
    overlaps = overlap(counts, empty=empty)
    size = reference.shape[-len(spacing) :]
    scores = []
    for index in classes:
        tp, fp, fn, labelled = (int(item[index]) for item in counts)
        status = _status(tp, fp, fn, labelled)
        known = (reference[index] if multilabel else reference) != IGNORE
        found, wanted = (
            (mask[index] == 1) if multilabel else (mask == index) for mask in (prediction, reference)
        )
        found &= known
        masked = [name for name in extras if name not in PROBABILISTIC]
        if status == "ok":
            hd95, nsd = surface(found, wanted, spacing=spacing, tolerance=tolerance)
            pair = Pair(found, wanted, tuple(spacing), numbers)
            extra = {name: measured(pair) for name in masked if (measured := EXTRAS[name].measure)}
        else:
            nsd, hd95 = _without(status, empty, diagonal(size, spacing))
            extra = {name: (hd95 if EXTRAS[name].distance else nsd) for name in masked}
        if trust is not None:
            extra |= {name: getattr(trust[index], name) for name in extras if name in PROBABILISTIC}
        dice, iou, precision, recall = (float(item[index]) for item in overlaps)
        scores.append(
            ClassScore(
                index,
                status,
                labelled,
                tp,
                fp,
                fn,
                dice,
                iou,
                precision,
                recall,
                hd95,
                nsd,
                {name: extra[name] for name in extras},
                None if trust is None else trust[index],
            )
        )
    return scores


def _without(status: Status, empty: EmptyPolicy, diagonal: float) -> tuple[float, float]:
    """A fraction and a distance where a mask is empty."""
    if status in ("missed", "false alarm"):
        return 0.0, diagonal
    return (1.0, 0.0) if status == "absent" and empty == "one" else (float("nan"), float("nan"))


def _status(tp: int, fp: int, fn: int, labelled: int) -> Status:
    if not labelled:
        return "unlabelled"
    if not tp + fn:
        return "false alarm" if fp else "absent"
    return "ok" if tp + fp else "missed"
