"""Focal loss: cross-entropy that looks away from what is already right."""

from collections.abc import Sequence

from monai.losses.focal_loss import FocalLoss
from torch import Tensor

from unetzoo.losses.base import Activation, SegmentationLoss, weighted_mean

__all__ = ["Focal"]


class Focal(SegmentationLoss):
    """``-(1 - p)^gamma log(p)`` of the true class, averaged over the labelled pixels.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", arXiv:1708.02002, eq. 4; per pixel by MONAI. The
    paper's alpha is ``class_weights``. At ``gamma=0`` it equals ``CrossEntropy``.

    Args:
        activation: softmax | sigmoid.
        gamma: How strongly easy pixels are faded out.
        class_weights: One number per class.
    """

    def __init__(
        self, *, activation: Activation, gamma: float = 2.0, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(activation=activation, class_weights=class_weights)
        self.focal = FocalLoss(gamma=gamma, use_softmax=activation == "softmax", reduction="none")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        logits = logits.float()
        encoded = self.encode(logits, target)
        values: Tensor = self.focal(logits, encoded.one_hot)
        if self.activation == "softmax":
            values = values.sum(1, keepdim=True)  # only the true class's term is not zero
        return weighted_mean(values, self.pixel_weights(encoded))
