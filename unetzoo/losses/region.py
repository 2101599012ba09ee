"""Losses on the overlap of regions rather than on single pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.losses.base import Activation, SegmentationLoss

__all__ = ["RegionLoss"]


class RegionLoss(SegmentationLoss):
    """Mean over classes of one minus an overlap measured on probabilities.

    Args:
        criterion: MONAI loss on probabilities and one-hot targets with ``reduction="none"``.
        activation: softmax | sigmoid.
        class_weights: Weights of the mean over classes; a binary head has one region and no use for them.
        include_background: Whether class 0 of a softmax head counts as a region.
    """

    def __init__(
        self,
        criterion: nn.Module,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None,
        include_background: bool,
    ) -> None:
        super().__init__(activation=activation, class_weights=class_weights)
        self.criterion = criterion
        self.include_background = include_background

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        one_hot, valid = self.encode(logits, target)
        logits = logits.float()
        probabilities = logits.softmax(1) if self.activation == "softmax" else logits.sigmoid()
        # zero in both regions: an ignored pixel is in no intersection and in no size
        probabilities, one_hot = probabilities * valid, one_hot * valid
        first = 1 if self.activation == "softmax" and not self.include_background else 0
        per_class: Tensor = self.criterion(probabilities[:, first:], one_hot[:, first:]).reshape(
            -1, logits.shape[1] - first
        )
        if self.class_weights is None or per_class.shape[1] == 1:
            return torch.mean(per_class)
        weights = self.class_weights[first:]
        return (per_class * (weights / weights.sum())).sum(1).mean()
