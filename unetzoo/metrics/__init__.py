"""Measures of quality per case, of segmentations and of predicted images, and honest means of them."""

from unetzoo.metrics.aggregate import DRAWS, FRACTION, MEANS, Interval, bootstrap, macro, mean, per_image
from unetzoo.metrics.border import boundary_iou, relaxed_f1
from unetzoo.metrics.calibration import Reliability, Tally, reliability
from unetzoo.metrics.case import ClassScore, Status, measure
from unetzoo.metrics.counts import (
    OVERLAPS,
    Counts,
    EmptyPolicy,
    Overlap,
    check_empty,
    confusion,
    count,
    foreground,
    overlap,
)
from unetzoo.metrics.extras import EXTRAS, PROBABILISTIC, Extra, check_extras
from unetzoo.metrics.hce import Corrections, human_correction_efforts
from unetzoo.metrics.image import ImageErrors, ImageTally, image_errors
from unetzoo.metrics.matching import match_segments
from unetzoo.metrics.objects import Objects, components
from unetzoo.metrics.skeleton import centreline_dice
from unetzoo.metrics.surface import Surface, average_distance, diagonal, largest_distance, surface

__all__ = [
    "DRAWS",
    "EXTRAS",
    "FRACTION",
    "MEANS",
    "OVERLAPS",
    "PROBABILISTIC",
    "ClassScore",
    "Corrections",
    "Counts",
    "EmptyPolicy",
    "Extra",
    "ImageErrors",
    "ImageTally",
    "Interval",
    "Objects",
    "Overlap",
    "Reliability",
    "Status",
    "Surface",
    "Tally",
    "average_distance",
    "bootstrap",
    "boundary_iou",
    "centreline_dice",
    "check_empty",
    "check_extras",
    "components",
    "confusion",
    "count",
    "diagonal",
    "foreground",
    "human_correction_efforts",
    "image_errors",
    "largest_distance",
    "macro",
    "match_segments",
    "mean",
    "measure",
    "overlap",
    "per_image",
    "relaxed_f1",
    "reliability",
    "surface",
]
