"""Scores per object: which of the reference's objects were found, and how well."""

from functools import cached_property

import numpy as np
from scipy import ndimage

from unetzoo.metrics.surface import bounds

__all__ = ["Objects", "components"]

THRESHOLDS = np.arange(10, 20) / 20
"""Of the 2018 Data Science Bowl's mean precision: IoU of 0.5, 0.55 ... 0.95."""


def components(mask: np.ndarray) -> np.ndarray:
    """Number the connected parts of a bool mask (*size), by all 8 (26) neighbours."""
    numbered, _ = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, mask.ndim))
    return np.asarray(numbered)


class Objects:
    """The objects of a prediction and of a reference, and their shared pixels.

    Args:
        prediction: Numbers (*size), 0 for no object; at least one object.
        reference: Likewise.
    """

    def __init__(self, prediction: np.ndarray, reference: np.ndarray) -> None:
        self.prediction, self.reference = _renumbered(prediction), _renumbered(reference)
        columns = int(self.reference.max()) + 1
        pairs = self.prediction.astype(np.int64) * columns + self.reference
        table = np.bincount(pairs.ravel(), minlength=(int(self.prediction.max()) + 1) * columns)
        table = table.reshape(-1, columns)
        self.found, self.wanted = table.sum(1)[1:], table.sum(0)[1:]
        self.shared = table[1:, 1:]

    @cached_property
    def iou(self) -> np.ndarray:
        """(found, wanted)."""
        return np.asarray(self.shared / (self.found[:, None] + self.wanted - self.shared))

    def panoptic_quality(self) -> float:
        """Kirillov et al. 2019, "Panoptic Segmentation", arXiv:1801.00868, eq. 1, of one class."""
        matched = self.iou > 0.5  # no object can have two such partners
        return float(self.iou[matched].sum() / (matched.sum() + self._unmatched(matched) / 2))

    def mean_precision(self) -> float:
        """TP / (TP + FP + FN) of objects, mean over IoU thresholds 0.5 to 0.95 (2018 Data Science Bowl)."""
        values = []
        for threshold in THRESHOLDS:
            matched = self.iou > threshold
            values.append(matched.sum() / (matched.sum() + self._unmatched(matched)))
        return float(np.mean(values))

    def f1(self) -> float:
        """Detection score of the GlaS contest, Sirinukunwattana et al. 2017, arXiv:1603.00275.

        A found object is true if it covers half or more of the object it shares most pixels with.
        """
        partner = self.shared.argmax(1)
        overlap = self.shared[np.arange(len(partner)), partner]
        true = int((overlap >= 0.5 * self.wanted[partner]).sum())
        return 2 * true / (len(self.found) + max(len(self.wanted), true))

    def dice(self) -> float:
        """Object-level Dice of the GlaS contest: each object with its partner, weighted by its size."""
        dice = 2 * self.shared / (self.found[:, None] + self.wanted)

        def side(shared: np.ndarray, dice: np.ndarray, size: np.ndarray) -> float:
            best = dice[shared.argmax(0), np.arange(len(size))]  # 0 where nothing is shared
            return float((best * size).sum() / size.sum())

        return (side(self.shared, dice, self.wanted) + side(self.shared.T, dice.T, self.found)) / 2

    def hausdorff(self, spacing: tuple[float, ...]) -> float:
        """Object-level Hausdorff distance of the GlaS contest, in the unit of the spacing.

        An object that shares no pixel is compared with the nearest object of the other side.
        """
        known: dict[tuple[int, int], float] = {}

        def distance(i: int, j: int) -> float:
            if (i, j) not in known:
                known[i, j] = _hausdorff(self.prediction == i + 1, self.reference == j + 1, spacing)
            return known[i, j]

        def near(shared: np.ndarray) -> np.ndarray:
            return np.array([shared.argmax()]) if shared.any() else np.arange(len(shared))

        wanted = [min(distance(i, j) for i in near(self.shared[:, j])) for j in range(len(self.wanted))]
        found = [min(distance(i, j) for j in near(self.shared[i])) for i in range(len(self.found))]
        sides = [np.average(v, weights=w) for v, w in ((wanted, self.wanted), (found, self.found))]
        return float(np.mean(sides))

    def _unmatched(self, matched: np.ndarray) -> int:
        """False positives and false negatives together."""
        return int(len(self.found) + len(self.wanted) - 2 * matched.sum())


def _renumbered(numbers: np.ndarray) -> np.ndarray:
    """The same objects as 1, 2 ..."""
    _, found = np.unique(np.append(numbers.ravel(), 0), return_inverse=True)
    return np.asarray(found[:-1].reshape(numbers.shape))


def _hausdorff(a: np.ndarray, b: np.ndarray, spacing: tuple[float, ...]) -> float:
    box = bounds(a | b)
    a, b = a[box], b[box]
    to_b = ndimage.distance_transform_edt(~b, sampling=spacing)[a].max()
    to_a = ndimage.distance_transform_edt(~a, sampling=spacing)[b].max()
    return float(max(to_a, to_b))
