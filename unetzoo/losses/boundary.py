"""Boundary loss: probability weighed by its distance to the true border."""

from collections.abc import Sequence

from torch import Tensor

from unetzoo.losses.base import Activation, SegmentationLoss
from unetzoo.losses.signed_distance import signed_distance

__all__ = ["Boundary"]


class Boundary(SegmentationLoss):
    """Mean of ``p * d``, where d is the signed distance to the true region, negative inside.

    Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation", arXiv:1812.07032, eq. 5. It is
    negative where all is right and has a poor gradient alone: beside a loss on regions, as in
    ``loss=dice_boundary``. A class without a border in a sample has no say there. Distances are in pixels.

    Args:
        activation: softmax | sigmoid.
        class_weights: One number per class; a binary head has one region and no use for them.
        include_background: Whether class 0 of a softmax head counts as a region.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None = None,
        include_background: bool = False,
    ) -> None:
        super().__init__(activation=activation, class_weights=class_weights)
        self.include_background = include_background

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        one_hot, valid = self.encode(logits, target)
        logits = logits.float()
        p = logits.softmax(1) if self.activation == "softmax" else logits.sigmoid()
        first = 1 if self.activation == "softmax" and not self.include_background else 0
        distance = signed_distance(one_hot[:, first:].bool(), valid)
        distance = distance.masked_fill(distance.isinf() | ~valid, 0)
        axes = [0, *range(2, p.dim())]
        labelled = valid.expand_as(p)[:, first:].sum(axes).clamp(min=1)
        per_class = (p[:, first:] * distance).sum(axes) / labelled
        if self.class_weights is None or len(per_class) == 1:
            return per_class.mean()
        weights = self.class_weights[first:]
        return (per_class * weights).sum() / weights.sum()
