"""Losses on logits: value 255 in a target takes no part, one idea per file."""

from unetzoo.losses.base import SegmentationLoss
from unetzoo.losses.compound import Compound
from unetzoo.losses.cross_entropy import CrossEntropy
from unetzoo.losses.deep_supervision import deep_supervision_loss, deep_supervision_weights
from unetzoo.losses.dice import Dice
from unetzoo.losses.focal import Focal
from unetzoo.losses.iou import IoU
from unetzoo.losses.ms_ssim import MultiScaleDissimilarity
from unetzoo.losses.nested_mse import NestedMSE
from unetzoo.losses.soft_ncut import SoftNCut
from unetzoo.losses.ssim import StructuralDissimilarity
from unetzoo.losses.tversky import Tversky

__all__ = [
    "Compound",
    "CrossEntropy",
    "Dice",
    "Focal",
    "IoU",
    "MultiScaleDissimilarity",
    "NestedMSE",
    "SegmentationLoss",
    "SoftNCut",
    "StructuralDissimilarity",
    "Tversky",
    "deep_supervision_loss",
    "deep_supervision_weights",
]
