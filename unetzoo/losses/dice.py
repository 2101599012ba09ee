"""Soft Dice loss."""

from collections.abc import Sequence

from monai.losses.dice import DiceLoss

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss

__all__ = ["Dice"]


class Dice(RegionLoss):
    """``1 - 2 |P T| / (|P| + |T|)`` on probabilities, averaged over classes.

    Milletari et al. 2016, "V-Net", arXiv:1606.04797, eq. 1, without the squares; computed by MONAI. The
    region is that of the whole batch by default: a patch in which a class does not occur then says "less of
    it" instead of counting as a complete failure, which is what small foreground-poor patches need. Under DDP
    the batch is the process's own share.

    Args:
        activation: softmax | sigmoid.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One region per class over the batch; False: one per sample, then the mean.
    """

    jaccard = False

    def __init__(
        self,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        batch: bool = True,
    ) -> None:
        super().__init__(
            DiceLoss(jaccard=self.jaccard, batch=batch, reduction="none"),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )
