"""How far a pixel is from the border of each class, as a further objective."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.auxiliary.dense import DenseAuxiliary
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level
from unetzoo.losses.base import weighted_mean
from unetzoo.losses.signed_distance import distance_to, signed_distance

__all__ = ["Distance", "distances"]


class Distance(DenseAuxiliary):
    """Tell from the finest row each pixel's signed distance to each class, cut off, by the squared error.

    The distance objective of Psi-Net (Murugesan et al. 2019, arXiv:1902.04099), signed, on the segmentation's
    own decoder instead of one beside it. Class 0 has no distance of its own, unless classes overlap. The
    distances are computed on the CPU (see `distance_to`): about 0.2 s per million pixels and class.

    Args:
        cut: Distance in pixels beyond which all are alike; targets are divided by it.
        spacing: Size of a pixel per axis, for anisotropic volumes; ``None`` is 1.
        overlapping: Whether targets are masks (B, K, *size), as with ``data.multilabel=true``.
        weight: Factor of the loss beside the main one.

    Raises:
        ValueError: If the cut is not positive.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        cut: float = 10.0,
        spacing: Sequence[float] | None = None,
        overlapping: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(levels, num_classes if overlapping else num_classes - 1, weight=weight)
        if cut <= 0:
            raise ValueError(f"distances are cut off at a positive number of pixels, got {cut}")
        self.cut, self.spacing, self.overlapping = cut, spacing, overlapping

    def forward(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs and target to a scalar."""
        found = self.dense(decoded, target).float().tanh()
        if self.overlapping != (target.dim() == found.dim()):
            raise ValueError(
                f"auxiliary distance with overlapping={self.overlapping} does not fit a target of shape "
                f"{tuple(target.shape)}; set overlapping as data.multilabel is"
            )
        valid = target != IGNORE
        if self.overlapping:
            regions = target == 1
        else:
            regions = torch.stack([target == c for c in range(1, found.shape[1] + 1)], 1)
            valid = valid.unsqueeze(1).expand_as(regions)
        wanted, known = distances(regions, valid, cut=self.cut, spacing=self.spacing)
        return weighted_mean((found - wanted).square(), known.float())


@torch.no_grad()
def distances(
    regions: Tensor, valid: Tensor, *, cut: float, spacing: Sequence[float] | None = None
) -> tuple[Tensor, Tensor]:
    """Signed distances from -1 to 1, negative inside, and where they are known.

    They are not where a pixel without a label is nearer than the border, which might then be nearer still.

    Args:
        regions: bool (B, K, *size).
        valid: bool (B, K, *size), False where there is no label.
        cut: Distance that becomes 1.
        spacing: Size of a pixel per axis; ``None`` is 1.
    """
    far = signed_distance(regions, valid, spacing).clamp(-cut, cut)
    if valid.all():
        return far / cut, valid
    # inside, distances are one less than to the nearest pixel outside
    border = far.abs() + regions * (1.0 if spacing is None else min(spacing))
    return far / cut, valid & (distance_to(~valid, spacing) >= border)
