"""Pixel counts per class, and the overlap measures that follow from them."""

from typing import Literal, NamedTuple, get_args

import numpy as np

from unetzoo.inference.contract import IGNORE, DataSpec

__all__ = [
    "OVERLAPS",
    "Counts",
    "EmptyPolicy",
    "Overlap",
    "check_empty",
    "confusion",
    "count",
    "foreground",
    "overlap",
]

_PIECE = 2**22  # pixels that are counted at a time, since they are counted in 64 bits

EmptyPolicy = Literal["nan", "one", "skip"]
"""What a class scores where neither mask has a pixel of it.

``nan``: no value, left out of every mean; ``one``: a perfect score; ``skip``: as ``nan``, and not listed.
"""


class Counts(NamedTuple):
    """Pixels per class, int64 (K,). Additive: the sum over cases gives pooled ("micro") measures.

    Attributes:
        tp: In both masks.
        fp: In the prediction alone.
        fn: In the reference alone.
        labelled: Pixels that carry a label, whatever it is.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    labelled: np.ndarray


class Overlap(NamedTuple):
    """Measures of overlap per class, float64 (K,), 0 to 1."""

    dice: np.ndarray
    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


OVERLAPS: tuple[str, ...] = Overlap._fields


def check_empty(empty: str) -> None:
    """Refuse a policy for empty masks that does not exist."""
    if empty not in get_args(EmptyPolicy):
        raise ValueError(f"empty={empty!r} is no policy for empty masks; choose nan, one or skip")


def foreground(data: DataSpec, *, activation: str = "softmax") -> tuple[int, ...]:
    """Indices of the classes that are measured and enter the means.

    Every channel of a multilabel set, class 1 of a binary (one ``sigmoid`` logit) model, and otherwise every
    class but a class 0 that is named background.
    """
    classes = tuple(range(len(data.classes)))
    if data.multilabel:
        return classes
    if activation == "sigmoid":
        return (1,)
    return classes[1:] if data.classes[0].name.strip().lower() == "background" else classes


def count(
    prediction: np.ndarray, reference: np.ndarray, num_classes: int, *, multilabel: bool = False
) -> Counts:
    """Count label maps (*size), or (K, *size) of 0 and 1 if multilabel, against each other.

    Where the reference is 255 (``IGNORE``) nothing is counted. A labelled pixel that the prediction leaves at
    255 is a miss: it is in no class.
    """
    _require_same_size(prediction, reference)
    if multilabel:
        labelled = reference != IGNORE
        found, wanted = (prediction == 1) & labelled, reference == 1
        axes = tuple(range(1, reference.ndim))
        tp = (found & wanted).sum(axes)
        return Counts(tp, found.sum(axes) - tp, wanted.sum(axes) - tp, labelled.sum(axes))
    matrix = confusion(prediction, reference, num_classes)
    tp = matrix.diagonal().copy()
    fp, fn = matrix[:, :num_classes].sum(0) - tp, matrix.sum(1) - tp
    return Counts(tp, fp, fn, np.full(num_classes, matrix.sum()))


def confusion(prediction: np.ndarray, reference: np.ndarray, num_classes: int) -> np.ndarray:
    """Pixels by true class and predicted class, int64 (K, K + 1) of label maps (*size).

    The last column is for labelled pixels that the prediction leaves at 255.
    """
    _require_same_size(prediction, reference)
    columns = num_classes + 1
    matrix = np.zeros(num_classes * columns, np.int64)
    found, wanted = prediction.reshape(-1), reference.reshape(-1)
    for first in range(0, wanted.size, _PIECE):
        part = slice(first, first + _PIECE)
        labelled = wanted[part] != IGNORE
        pairs = wanted[part][labelled].astype(np.int64) * columns
        pairs += np.minimum(found[part][labelled], num_classes)
        matrix += np.bincount(pairs, minlength=num_classes * columns)
    return matrix.reshape(num_classes, columns)


def _require_same_size(prediction: np.ndarray, reference: np.ndarray) -> None:
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ in size")


def overlap(counts: Counts, *, empty: EmptyPolicy = "nan") -> Overlap:
    """Dice, IoU, precision and recall from counts of any shape.

    Neither mask has the class: nan, or 1 if ``empty="one"``. One of them has it: all four are 0, even the one
    that is undefined. No labelled pixel at all: nan whatever the policy.
    """
    tp, fp, fn, labelled = (np.asarray(item, dtype=np.float64) for item in counts)
    none = tp + fp + fn == 0
    nothing = np.where(labelled > 0, 1.0 if empty == "one" else np.nan, np.nan)

    def ratio(whole: np.ndarray, factor: float = 1.0) -> np.ndarray:
        return np.where(none, nothing, factor * tp / np.where(whole > 0, whole, 1.0))

    return Overlap(ratio(2 * tp + fp + fn, 2.0), ratio(tp + fp + fn), ratio(tp + fp), ratio(tp + fn))
