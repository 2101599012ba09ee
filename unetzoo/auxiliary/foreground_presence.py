"""Whether an image has any foreground, as a further objective."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level
from unetzoo.nd import conv

__all__ = ["ForegroundPresence"]


class ForegroundPresence(Auxiliary):
    """Tell from the coarsest row whether an image has foreground at all, by binary cross-entropy.

    A 1x1 convolution to two logits, absent and present, and their maximum over the image: the classifier of
    UNet 3+ (Huang et al. 2020, arXiv:2004.08790, sec. 2.3). Foreground is every labelled pixel that is not of
    class 0, or of any class if they overlap; an image without a single label has no say.

    Args:
        weight: Factor of the loss beside the main one.
        dropout: On the features, while the classifier is trained.
    """

    def __init__(
        self, levels: Sequence[Level], num_classes: int, *, weight: float = 1.0, dropout: float = 0.5
    ) -> None:
        super().__init__(weight=weight)
        coarsest = levels[-1]
        self.dropout = nn.Dropout(dropout)
        self.conv = conv(len(coarsest.stride), coarsest.channels, 2)

    def classify(self, coarsest: Tensor) -> Tensor:
        """(B, C, *size) to the logits of absent and present, (B, 2, *ones)."""
        logits: Tensor = self.conv(coarsest)
        return logits.amax(tuple(range(2, logits.dim())), keepdim=True)

    def forward(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs and target to a scalar."""
        labelled = (target != IGNORE).flatten(1)
        present = ((target.flatten(1) != 0) & labelled).any(1)
        logits = self.classify(self.dropout(decoded[0])).flatten(1).float()
        truth = torch.stack([~present, present], 1).float()
        values = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1)
        judged = labelled.any(1).float()
        return (values * judged).sum() / judged.sum().clamp(min=1)
