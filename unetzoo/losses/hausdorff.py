"""Hausdorff loss: errors weighed by their distance to both borders."""

from collections.abc import Sequence

from monai.losses.hausdorff_loss import HausdorffDTLoss, LogHausdorffDTLoss

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss

__all__ = ["Hausdorff"]


class Hausdorff(RegionLoss):
    """Mean of ``(p - t)^2 (d_p^alpha + d_t^alpha)``, with the distances to the found and the true border.

    Karimi & Salcudean 2019, arXiv:1904.10030, eq. 8; computed by MONAI, distances on the CPU where cuCIM is
    not installed, for every class of every sample twice. Beside a loss on regions, as in
    ``loss=dice_hausdorff``.

    Args:
        activation: softmax | sigmoid.
        alpha: How strongly far errors count.
        log: Take ``log(1 + loss)``, which brings it to the size of Dice.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One mean per class over the batch; False: one per sample, then the mean.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        alpha: float = 2.0,
        log: bool = True,
        class_weights: Sequence[float] | None = None,
        include_background: bool = False,
        batch: bool = True,
    ) -> None:
        kind = LogHausdorffDTLoss if log else HausdorffDTLoss
        super().__init__(
            kind(alpha=alpha, include_background=True, batch=batch, reduction="none"),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )
