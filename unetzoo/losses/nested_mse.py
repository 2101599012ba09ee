"""Squared error of the number of nested sets a pixel lies in."""

from torch import Tensor

from unetzoo.losses.base import Activation, SegmentationLoss, weighted_mean

__all__ = ["NestedMSE"]


class NestedMSE(SegmentationLoss):
    """``(a - y)^2`` over the labelled pixels, for classes that contain one another.

    The quadratic loss of Hu et al. 2018, arXiv:1810.09488: ``a`` is the sum of the sets' probabilities, ``y``
    the number of sets that hold the pixel. For `NestedHead`, whose cross-entropies are ``CrossEntropy`` and
    whose overlaps ``Dice`` with ``sigmoid``. A pixel without a label in one set takes no part.

    Args:
        activation: sigmoid.

    Raises:
        ValueError: If the activation is another.
    """

    def __init__(self, *, activation: Activation = "sigmoid") -> None:
        super().__init__(activation=activation)
        if activation != "sigmoid":
            raise ValueError("nested classes have a sigmoid each; choose model/head=nested or multilabel")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, N, *size) and its target to a scalar."""
        one_hot, valid = self.encode(logits, target)
        levels = logits.float().sigmoid().sum(1)
        return weighted_mean((levels - one_hot.sum(1)).square(), valid.all(1).float())
