"""Structural similarity of masks at several scales."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss
from unetzoo.losses.ssim import StructuralDissimilarity

__all__ = ["MultiScaleDissimilarity"]


class MultiScaleDissimilarity(RegionLoss):
    """``1 - MS-SSIM`` of probabilities and one-hot target, class by class: blurred borders cost most.

    ``MS-SSIM = prod_m structure_m^w_m`` over the scales, each half of the one before, with the luminance at
    the last one; Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216, eq. 7, as a segmentation loss in UNet 3+
    (Huang et al. 2020, arXiv:2004.08790, sec. 2.2). Similarities s, which may be negative, enter as
    ``(s + 1) / 2``, as in that paper's code. Scales at which an axis is shorter than the window are left out
    and the other weights scaled to the same sum; so five scales need 176 pixels along each axis, and an image
    smaller than the window is compared at one scale in the largest window that fits. Ignored pixels are zero
    in both.

    Args:
        activation: softmax | sigmoid.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts.
        window: Side of the Gaussian window in pixels or voxels, odd.
        sigma: Of the Gaussian, in pixels or voxels.
        scale_weights: Exponent of each scale, finest first.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        window: int = 11,
        sigma: float = 1.5,
        scale_weights: Sequence[float] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
    ) -> None:
        super().__init__(
            _PerClass(StructuralDissimilarity(window=window, sigma=sigma), tuple(scale_weights)),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )


class _PerClass(nn.Module):
    def __init__(self, ssim: StructuralDissimilarity, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.ssim, self.weights = ssim, weights

    def forward(self, probabilities: Tensor, one_hot: Tensor) -> Tensor:
        """Two times (B, K, *size) to (B, K)."""
        x, y = probabilities, one_hot
        scales = sum(min(x.shape[2:]) >> m >= self.ssim.window for m in range(len(self.weights))) or 1
        used = self.weights[:scales]
        gain = sum(self.weights) / sum(used)
        pool = {2: F.avg_pool2d, 3: F.avg_pool3d}[x.dim() - 2]
        factors = []
        for m, weight in enumerate(used):
            luminance, structure = self.ssim.maps(x, y)
            similarity = (structure if m < scales - 1 else luminance * structure).flatten(2).mean(2)
            factors.append(((similarity + 1) / 2) ** (weight * gain))
            if m < scales - 1:
                x, y = pool(x, 2), pool(y, 2)
        return 1 - torch.stack(factors).prod(0)
