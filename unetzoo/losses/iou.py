"""Soft IoU loss."""

from collections.abc import Sequence

from monai.losses.dice import DiceLoss

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss

__all__ = ["IoU"]


class IoU(RegionLoss):
    """``1 - |P T| / (|P| + |T| - |P T|)`` on probabilities, averaged over classes.

    Rahman & Wang 2016, doi:10.1007/978-3-319-50835-1_22, eq. 3; computed by MONAI, smoothed, so that a region
    that neither has is no error. The region is that of the whole batch by default, for the reason given at
    `Dice`.

    Args:
        activation: softmax | sigmoid.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One region per class over the batch; False: one per sample, then the mean.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        batch: bool = True,
    ) -> None:
        super().__init__(
            DiceLoss(jaccard=True, batch=batch, reduction="none"),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )
