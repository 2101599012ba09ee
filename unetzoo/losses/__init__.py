"""Losses on logits, where 255 in a target takes no part, and on images, where NaN does not."""

from unetzoo.losses.base import SegmentationLoss
from unetzoo.losses.boundary import Boundary
from unetzoo.losses.cl_dice import ClDice
from unetzoo.losses.compound import Compound
from unetzoo.losses.cross_entropy import CrossEntropy
from unetzoo.losses.deep_supervision import deep_supervision_loss, deep_supervision_weights
from unetzoo.losses.dice import Dice
from unetzoo.losses.focal import Focal
from unetzoo.losses.hausdorff import Hausdorff
from unetzoo.losses.intensity import IntensityLoss
from unetzoo.losses.iou import IoU
from unetzoo.losses.lovasz import Lovasz
from unetzoo.losses.ms_ssim import MultiScaleDissimilarity
from unetzoo.losses.multi_window import MultiWindow
from unetzoo.losses.nested_mse import NestedMSE
from unetzoo.losses.pixel_error import PixelError
from unetzoo.losses.soft_ncut import SoftNCut
from unetzoo.losses.ssim import StructuralDissimilarity
from unetzoo.losses.tversky import Tversky
from unetzoo.losses.unified_focal import UnifiedFocal

__all__ = [
    "Boundary",
    "ClDice",
    "Compound",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Hausdorff",
    "IntensityLoss",
    "IoU",
    "Lovasz",
    "MultiScaleDissimilarity",
    "MultiWindow",
    "NestedMSE",
    "PixelError",
    "SegmentationLoss",
    "SoftNCut",
    "StructuralDissimilarity",
    "Tversky",
    "UnifiedFocal",
    "deep_supervision_loss",
    "deep_supervision_weights",
]
