"""Whole-case evaluation: per-case table, summary with named means and intervals, and an offline report."""

from unetzoo.evaluation.evaluate import Cases, Predicts, evaluate
from unetzoo.evaluation.image_summary import ImageSummary
from unetzoo.evaluation.images import evaluate_images
from unetzoo.evaluation.summary import ClassSummary, Origin, Summary

__all__ = [
    "Cases",
    "ClassSummary",
    "ImageSummary",
    "Origin",
    "Predicts",
    "Summary",
    "evaluate",
    "evaluate_images",
]
