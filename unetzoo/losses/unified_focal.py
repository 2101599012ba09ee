"""Unified focal loss: focal and Tversky loss, each sharp on the foreground and blunt on the background."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.losses.base import Activation, SegmentationLoss, weighted_mean

__all__ = ["UnifiedFocal"]

_SMOOTH = 1e-5


class UnifiedFocal(SegmentationLoss):
    """Asymmetric focal cross-entropy and asymmetric focal Tversky loss, with three numbers for both.

    Yeung et al. 2022, "Unified Focal Loss", arXiv:2102.04525, eq. 19 to 21: easy background pixels are faded
    out of the cross-entropy, hard foreground regions raised in the Tversky term. Every class but 0 is
    foreground; with ``sigmoid`` every channel is one against its own background.

    Args:
        activation: softmax | sigmoid.
        weight: Share of the cross-entropy; the Tversky term has the rest.
        delta: Weight of the foreground, and of false negatives, from 0 to 1.
        gamma: Strength of both foci, from 0 to below 1.
        class_weights: One number per class (two for a binary head).
        batch: One region per class over the batch; False: one per sample, then the mean.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        *,
        activation: Activation,
        weight: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        class_weights: Sequence[float] | None = None,
        batch: bool = True,
    ) -> None:
        super().__init__(activation=activation, class_weights=class_weights)
        if not (0 <= weight <= 1 and 0 <= delta <= 1 and 0 <= gamma < 1):
            raise ValueError(
                "weight and delta are between 0 and 1 and gamma below 1; "
                f"given weight={weight}, delta={delta}, gamma={gamma}"
            )
        self.weight, self.delta, self.gamma, self.batch = weight, delta, gamma, batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        logits = logits.float()
        encoded = self.encode(logits, target)
        one_hot, valid = encoded
        if self.activation == "softmax":
            log_p = logits.log_softmax(1)
            # of being any foreground; a power of 1 - p would have no gradient at p = 1
            away = log_p[:, 1:].logsumexp(1, keepdim=True)
            back, fore, log_back, log_fore = one_hot[:, :1], one_hot[:, 1:], log_p[:, :1], log_p[:, 1:]
        else:
            log_back, log_fore = F.logsigmoid(-logits), F.logsigmoid(logits)
            away, back, fore = log_fore, 1 - one_hot, one_hot
        easy = (self.gamma * away).exp()
        of_fore = self.delta * fore * log_fore
        if self.activation == "softmax":
            of_fore = of_fore.sum(1, keepdim=True)
        values = -(1 - self.delta) * easy * back * log_back - of_fore
        cross_entropy = weighted_mean(values, self.pixel_weights(encoded))
        missed_back = self._missed(log_back.exp() * valid, back * valid)
        missed_fore = self._missed(log_fore.exp() * valid, fore * valid)
        # the power's slope is infinite where nothing is missed
        small = 1e-7
        missed_fore = torch.where(
            missed_fore > small, missed_fore.clamp(min=small) ** (1 - self.gamma), 0 * missed_fore
        )
        regions = torch.cat([missed_back, missed_fore], 1)
        return self.weight * cross_entropy + (1 - self.weight) * self._over_classes(regions)

    def _missed(self, p: Tensor, t: Tensor) -> Tensor:
        """One minus the Tversky index, (B or 1, K)."""
        axes = [*([0] if self.batch else []), *range(2, p.dim())]
        both, false_negative, false_positive = (part.sum(axes) for part in (p * t, (1 - p) * t, p * (1 - t)))
        wrong = self.delta * false_negative + (1 - self.delta) * false_positive
        missed: Tensor = wrong / (both + wrong + _SMOOTH)
        return missed.view(-1, p.shape[1])

    def _over_classes(self, regions: Tensor) -> Tensor:
        if self.class_weights is None:
            return regions.mean()
        weights = self.class_weights
        if self.activation == "sigmoid" and regions.shape[1] == 2 * len(weights):
            weights = weights.repeat(2)  # a class and its own background
        return (regions * (weights / weights.sum())).sum(1).mean()
