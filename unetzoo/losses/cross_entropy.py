"""Cross-entropy per pixel."""

from torch import Tensor
from torch.nn import functional as F

from unetzoo.inference.contract import IGNORE
from unetzoo.losses.base import SegmentationLoss, weighted_mean

__all__ = ["CrossEntropy"]


class CrossEntropy(SegmentationLoss):
    """Mean cross-entropy (softmax) or binary cross-entropy (sigmoid) over the labelled pixels.

    With class weights the mean is weighted, as in ``torch.nn.CrossEntropyLoss``, so only their ratios matter.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        logits = logits.float()
        encoded = self.encode(logits, target)
        if self.activation == "softmax":
            values = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none").unsqueeze(1)
        else:
            values = F.binary_cross_entropy_with_logits(logits, encoded.one_hot, reduction="none")
        return weighted_mean(values, self.pixel_weights(encoded))
