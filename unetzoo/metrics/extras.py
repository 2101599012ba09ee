"""Measures that are asked for by name, beside those every case gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unetzoo.metrics.border import BOUNDARY, RELAXED, boundary_iou, relaxed_f1
from unetzoo.metrics.calibration import BINS
from unetzoo.metrics.objects import Objects, components
from unetzoo.metrics.skeleton import centreline_dice
from unetzoo.metrics.surface import average_distance, largest_distance

__all__ = ["EXTRAS", "PROBABILISTIC", "Extra", "Pair", "check_extras"]


@dataclass(frozen=True)
class Pair:
    """One class of one case, as measures see it: two bool masks (*size), each with a pixel.

    Args:
        spacing: Size of a pixel per axis.
        numbers: The reference's objects where the set numbers them, (*size), 0 for none; None: its connected
            components.
    """

    found: np.ndarray
    wanted: np.ndarray
    spacing: tuple[float, ...]
    numbers: np.ndarray | None = None

    @cached_property
    def objects(self) -> Objects:
        """Of both masks; the prediction's are its connected components."""
        wanted = components(self.wanted) if self.numbers is None else self.numbers * self.wanted
        return Objects(components(self.found), wanted)


@dataclass(frozen=True)
class Extra:
    """A measure.

    Args:
        label: What people call it.
        definition: For the report.
        measure: Of two masks; None: from probabilities.
        distance: It is a length, 0 at best and the image's diagonal where one mask is empty; else 1 at best
            and 0 where one is empty.
    """

    label: str
    definition: str
    measure: Callable[[Pair], float] | None
    distance: bool = False


EXTRAS: dict[str, Extra] = {
    "hd": Extra(
        "HD",
        "Largest distance from a border pixel of one mask to the nearest one of the other.",
        lambda pair: largest_distance(pair.found, pair.wanted, spacing=pair.spacing),
        distance=True,
    ),
    "assd": Extra(
        "ASSD",
        "Mean over the border pixels of both masks of the distance to the nearest one of the other.",
        lambda pair: average_distance(pair.found, pair.wanted, spacing=pair.spacing),
        distance=True,
    ),
    "cldice": Extra(
        "clDice",
        "Harmonic mean of the part of the prediction's skeleton in the reference and the reverse.",
        lambda pair: centreline_dice(pair.found, pair.wanted),
    ),
    "boundary_iou": Extra(
        "Boundary IoU",
        f"IoU of the pixels within {BOUNDARY:.0%} of the image's diagonal of their mask's border.",
        lambda pair: boundary_iou(pair.found, pair.wanted),
    ),
    "relaxed_f1": Extra(
        f"Relaxed F1 @ {RELAXED} px",
        f"Harmonic mean of the part of predicted pixels within {RELAXED} px of a true one and the reverse.",
        lambda pair: relaxed_f1(pair.found, pair.wanted),
    ),
    "pq": Extra(
        "PQ",
        "Panoptic quality per image: sum of the IoU of matched objects (IoU > 0.5) / (TP + FP / 2 + FN / 2).",
        lambda pair: pair.objects.panoptic_quality(),
    ),
    "map": Extra(
        "mAP",
        "TP / (TP + FP + FN) of objects, mean over IoU thresholds 0.5 to 0.95 (2018 Data Science Bowl).",
        lambda pair: pair.objects.mean_precision(),
    ),
    "object_f1": Extra(
        "Object F1",
        "Of objects that cover half of the one they share most pixels with (GlaS); per image.",
        lambda pair: pair.objects.f1(),
    ),
    "object_dice": Extra(
        "Object Dice",
        "Dice of each object and its partner, weighted by size, mean of both directions (GlaS); per image.",
        lambda pair: pair.objects.dice(),
    ),
    "object_hd": Extra(
        "Object HD",
        "Hausdorff distance of each object and its partner, weighted by size, mean of both directions "
        "(GlaS); per image.",
        lambda pair: pair.objects.hausdorff(pair.spacing),
        distance=True,
    ),
    "ece": Extra(
        "ECE",
        f"Expected calibration error of a class against the rest: {BINS} bins of equal width of its "
        "probability, mean over pixels of |frequency - mean probability|.",
        None,
    ),
    "brier": Extra(
        "Brier",
        "Mean over pixels of the squared difference between a class's probability and 0 or 1.",
        None,
    ),
}
"""By name. Those of objects see connected components unless the set numbers its objects."""

PROBABILISTIC = frozenset(name for name, extra in EXTRAS.items() if extra.measure is None)


def check_extras(names: Sequence[str]) -> None:
    """Refuse a measure that does not exist."""
    unknown = [name for name in names if name not in EXTRAS]
    if unknown:
        raise ValueError(f"metrics: {unknown[0]!r} is no measure; choose from {', '.join(EXTRAS)}")
