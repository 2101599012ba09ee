"""Tversky loss: Dice with a price of its own for false positives and false negatives."""

from collections.abc import Sequence

from monai.losses.tversky import TverskyLoss

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss

__all__ = ["Tversky"]


class Tversky(RegionLoss):
    """``1 - TP / (TP + alpha FP + beta FN)`` on probabilities, averaged over classes.

    Salehi et al. 2017, arXiv:1706.05721, eq. 4; computed by MONAI. ``alpha = beta = 0.5`` is Dice; more beta
    finds more of a small class at the price of false alarms.

    Args:
        activation: softmax | sigmoid.
        alpha: Price of a false positive.
        beta: Price of a false negative.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One region per class over the batch; False: one per sample, then the mean.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        alpha: float = 0.3,
        beta: float = 0.7,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        batch: bool = True,
    ) -> None:
        super().__init__(
            TverskyLoss(alpha=alpha, beta=beta, batch=batch, reduction="none"),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )
