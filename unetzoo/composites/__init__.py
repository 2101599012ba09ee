"""Networks made of several: cascades, hybrids of 2D and 3D, auto-encoders of segmentations; contours."""

from unetzoo.composites.cascade import Cascade
from unetzoo.composites.hybrid import HybridNet
from unetzoo.composites.hybrid_gnet import HybridGNet
from unetzoo.composites.mask_encoder import MaskEncoder
from unetzoo.composites.w_net import WNet

__all__ = ["Cascade", "HybridGNet", "HybridNet", "MaskEncoder", "WNet"]
