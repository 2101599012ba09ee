"""Where classes meet, as a further objective."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.auxiliary.dense import DenseAuxiliary
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level
from unetzoo.losses import CrossEntropy, Dice

__all__ = ["Boundary", "boundaries"]


class Boundary(DenseAuxiliary):
    """Tell from the finest row which pixels lie on a border between classes, by cross-entropy and Dice.

    The contour objective of Psi-Net (Murugesan et al. 2019, arXiv:1902.04099), on the segmentation's own
    decoder instead of one beside it. The border is the morphological gradient of the labels.

    Args:
        width: Pixels to either side that count as border.
        weight: Factor of the loss beside the main one.

    Raises:
        ValueError: If the width is not positive.
    """

    def __init__(
        self, levels: Sequence[Level], num_classes: int, *, width: int = 1, weight: float = 1.0
    ) -> None:
        super().__init__(levels, 1, weight=weight)
        if width < 1:
            raise ValueError(f"a border is at least 1 pixel wide to either side, got {width}")
        self.width = width
        # borders are rare, hence Dice
        self.cross_entropy, self.dice = CrossEntropy(activation="sigmoid"), Dice(activation="sigmoid")

    def forward(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs and target to a scalar."""
        logits = self.dense(decoded, target)
        borders = boundaries(target, ndim=logits.dim() - 2, width=self.width)
        loss: Tensor = self.cross_entropy(logits, borders) + self.dice(logits, borders)
        return loss


@torch.no_grad()
def boundaries(target: Tensor, *, ndim: int, width: int = 1) -> Tensor:
    """Labels (B, *size), or (B, K, *size) of 0 and 1, to 1 on borders, 255 where one might be, else 0.

    A pixel is on a border if two classes occur within ``width`` of it along the axes and diagonals; it is not
    known whether it is if none do but one of those pixels has no label.
    """
    labels = (target if target.dim() == ndim + 2 else target.unsqueeze(1)).float()
    unknown = labels == IGNORE
    # the largest and smallest known label nearby
    high = _dilate(labels.masked_fill(unknown, -1), width)
    low = -_dilate((-labels).masked_fill(unknown, -IGNORE - 1), width)
    border = (high > low).any(1)
    blind = _dilate(unknown.float(), width).bool().any(1)
    return border.long().masked_fill(blind & ~border | unknown.all(1), IGNORE)


def _dilate(x: Tensor, width: int) -> Tensor:
    """The largest value within ``width``; what lies outside the image does not count."""
    pool = F.max_pool2d if x.dim() == 4 else F.max_pool3d
    return pool(x, 2 * width + 1, 1, width)
