"""Measures of segmentation quality per case and class, and honest means of them."""

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
from unetzoo.metrics.surface import Surface, diagonal, surface

__all__ = [
    "DRAWS",
    "MEANS",
    "OVERLAPS",
    "ClassScore",
    "Counts",
    "EmptyPolicy",
    "Interval",
    "Overlap",
    "Status",
    "Surface",
    "bootstrap",
    "check_empty",
    "count",
    "diagonal",
    "foreground",
    "macro",
    "mean",
    "measure",
    "overlap",
    "per_image",
    "surface",
]
