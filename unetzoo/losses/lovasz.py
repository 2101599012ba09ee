"""Lovász loss: the Jaccard index itself, made smooth."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.losses.base import Activation, SegmentationLoss

__all__ = ["Lovasz"]


class Lovasz(SegmentationLoss):
    """The Lovász extension of one minus the Jaccard index, on each pixel's error ``|t - p|``.

    Berman et al. 2018, "The Lovász-Softmax Loss", arXiv:1705.08790, eq. 8, 9 and 11. With ``sigmoid`` the
    errors are those of the probabilities too, not the paper's hinge on logits. Where all probabilities are 0
    or 1 it is the Jaccard loss exactly.

    Args:
        activation: softmax | sigmoid.
        class_weights: One number per class; a binary head has one region and no use for them.
        include_background: Whether class 0 of a softmax head counts as a region.
        batch: One region per class over the batch; False: one per sample, then the mean.
        present: Average over the classes that occur (the paper's choice), not over all.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        class_weights: Sequence[float] | None = None,
        include_background: bool = True,
        batch: bool = True,
        present: bool = True,
    ) -> None:
        super().__init__(activation=activation, class_weights=class_weights)
        self.include_background, self.batch, self.present = include_background, batch, present

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        one_hot, valid = self.encode(logits, target)
        logits = logits.float()
        p = logits.softmax(1) if self.activation == "softmax" else logits.sigmoid()
        first = 1 if self.activation == "softmax" and not self.include_background else 0
        # no error and no foreground where there is no label: last in order, without any weight
        errors, truth = ((one_hot - p).abs() * valid)[:, first:], (one_hot * valid)[:, first:]
        errors, truth = (x.flatten(2) for x in (errors, truth))  # (B, K, n)
        if self.batch:
            errors, truth = (x.transpose(0, 1).flatten(1).unsqueeze(0) for x in (errors, truth))
        losses = _extension(errors, truth)
        weights = torch.ones_like(losses)
        if self.class_weights is not None and len(self.class_weights) == logits.shape[1]:
            weights = weights * self.class_weights[first:]
        if self.present:
            weights = weights * truth.any(2)
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def _extension(errors: Tensor, truth: Tensor) -> Tensor:
    """Errors and 0 or 1 (..., n) to the Lovász extension of the Jaccard loss (...)."""
    errors, order = errors.sort(dim=-1, descending=True)
    truth = truth.gather(-1, order)
    total = truth.sum(-1, keepdim=True)
    intersection = total - truth.cumsum(-1)
    union = total + (1 - truth).cumsum(-1)
    # the Jaccard loss if exactly the pixels so far are wrong; its growth weighs the next error
    jaccard = 1 - intersection / union
    growth = torch.cat([jaccard[..., :1], jaccard.diff(dim=-1)], -1)
    return (errors * growth).sum(-1)
