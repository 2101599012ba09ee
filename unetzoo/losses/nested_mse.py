"""Squared error of the number of nested sets a pixel lies in."""

import torch
from torch import Tensor

from unetzoo.losses.base import Activation, SegmentationLoss, weighted_mean

__all__ = ["NestedMSE"]


class NestedMSE(SegmentationLoss):
    """``(a - y)^2`` over the labelled pixels, for classes that contain one another.

    The quadratic loss of Hu et al. 2018, arXiv:1810.09488: ``a`` is the sum of the sets' probabilities, ``y``
    the number of sets that hold the pixel. For `NestedHead`, whose cross-entropies are ``CrossEntropy`` and
    whose overlaps ``Dice`` with ``sigmoid``. Under ``softmax``, where class c lies in the first c sets, it is
    the squared error of the expected class. A pixel without a label in one set takes no part.

    Args:
        activation: sigmoid | softmax.
    """

    def __init__(self, *, activation: Activation) -> None:
        super().__init__(activation=activation)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, N, *size) and its target to a scalar."""
        one_hot, valid = self.encode(logits, target)
        logits = logits.float()
        if self.activation == "softmax":
            number = torch.arange(logits.shape[1], device=logits.device).view(-1, *(1,) * (logits.dim() - 2))
            error = (logits.softmax(1) - one_hot) * number
        else:
            error = logits.sigmoid() - one_hot
        return weighted_mean(error.sum(1).square(), valid.all(1).float())
