"""Centreline Dice: overlap of skeletons, for vessels, roads and nerves."""

from collections.abc import Sequence

from monai.losses.cldice import soft_skel
from torch import Tensor, nn

from unetzoo.losses.base import Activation
from unetzoo.losses.region import RegionLoss

__all__ = ["ClDice"]


class ClDice(RegionLoss):
    """One minus the harmonic mean of how much of each skeleton lies in the other's region.

    Shit et al. 2021, "clDice", arXiv:2003.07311, eq. 1 to 3 and algorithm 1; soft skeletons by MONAI. A gap
    in a thin structure costs as much as one in a thick one. Beside a loss on regions, as in
    ``loss=dice_cldice``.

    Args:
        activation: softmax | sigmoid.
        iterations: Erosions of the skeleton; at least the radius of the thickest structure in pixels.
        class_weights: One number per class.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One skeleton per class over the batch; False: one per sample, then the mean.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        iterations: int = 3,
        class_weights: Sequence[float] | None = None,
        include_background: bool = False,
        batch: bool = True,
    ) -> None:
        super().__init__(
            _Skeletons(iterations, batch),
            activation=activation,
            class_weights=class_weights,
            include_background=include_background,
        )


class _Skeletons(nn.Module):
    def __init__(self, iterations: int, batch: bool) -> None:
        super().__init__()
        self.iterations, self.batch = iterations, batch

    def forward(self, p: Tensor, t: Tensor) -> Tensor:
        """Probabilities and one-hot (B, K, *size) to (B or 1, K)."""
        axes = [*([0] if self.batch else []), *range(2, p.dim())]

        def share(skeleton: Tensor, region: Tensor) -> Tensor:
            return ((skeleton * region).sum(axes) + 1) / (skeleton.sum(axes) + 1)

        precision = share(soft_skel(p, self.iterations), t)
        sensitivity = share(soft_skel(t, self.iterations), p)
        loss: Tensor = 1 - 2 * precision * sensitivity / (precision + sensitivity)
        return loss.view(-1, p.shape[1])
