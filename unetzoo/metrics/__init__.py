"""Measures of quality per case, of segmentations and of predicted images, and honest means of them."""

from unetzoo.metrics.aggregate import DRAWS, MEANS, Interval, bootstrap, macro, mean, per_image
from unetzoo.metrics.case import ClassScore, Status, measure
from unetzoo.metrics.counts import (
    OVERLAPS,
    Counts,
    EmptyPolicy,
    Overlap,
    check_empty,
    count,
    foreground,
    overlap,
)
from unetzoo.metrics.hce import Corrections, human_correction_efforts
from unetzoo.metrics.image import ImageErrors, image_errors
from unetzoo.metrics.matching import match_segments
from unetzoo.metrics.surface import Surface, diagonal, surface

__all__ = [
    "DRAWS",
    "MEANS",
    "OVERLAPS",
    "ClassScore",
    "Corrections",
    "Counts",
    "EmptyPolicy",
    "ImageErrors",
    "Interval",
    "Overlap",
    "Status",
    "Surface",
    "bootstrap",
    "check_empty",
    "count",
    "diagonal",
    "foreground",
    "human_correction_efforts",
    "image_errors",
    "macro",
    "match_segments",
    "mean",
    "measure",
    "overlap",
    "per_image",
    "surface",
]
