"""Auxiliary objectives: what a network learns beside its segmentation."""

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.auxiliary.boundary import Boundary
from unetzoo.auxiliary.distance import Distance
from unetzoo.auxiliary.feature_supervision import FeatureSupervision
from unetzoo.auxiliary.foreground_presence import ForegroundPresence

__all__ = ["Auxiliary", "Boundary", "Distance", "FeatureSupervision", "ForegroundPresence"]
