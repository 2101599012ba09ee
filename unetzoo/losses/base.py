"""What all losses share: which pixels count, and what a target looks like one-hot."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from unetzoo.inference.contract import IGNORE

__all__ = ["Activation", "Encoded", "SegmentationLoss"]

Activation = Literal["softmax", "sigmoid"]


class Encoded(NamedTuple):
    """A target in the shape of the logits.

    Attributes:
        one_hot: float32 (B, K, *size), zero wherever a pixel is ignored.
        valid: bool (B, 1, *size), or (B, K, *size) with multilabel targets; False where a pixel is ignored.
    """

    one_hot: Tensor
    valid: Tensor


class SegmentationLoss(nn.Module):
    """A number from logits (B, K, *size) and a target, ignored pixels taking no part.

    Targets are int64: class indices (B, *size) for ``softmax``, 0 or 1 as (B, *size) for one ``sigmoid``
    logit (binary) and as (B, K, *size) for K of them (multilabel). The value 255 (``IGNORE``) means no label:
    such a pixel changes neither the value nor any gradient. A batch without a single label gives 0.

    Args:
        activation: What turns the head's logits into probabilities: softmax | sigmoid.
        class_weights: One number per class (two for a binary head), of any scale; ``None`` is equal weights.

    Raises:
        ValueError: If the activation is unknown or a weight is negative.
    """

    class_weights: Tensor | None

    def __init__(self, *, activation: Activation, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(
                f"activation must be softmax or sigmoid, not {activation!r}; an image, which needs none, is "
                "learned with loss=l1 or multi_window"
            )
        weights = None if class_weights is None else torch.tensor([float(w) for w in class_weights])
        if weights is not None and (weights.min() < 0 or weights.sum() == 0):
            raise ValueError(f"class_weights must be positive numbers, not {list(class_weights or ())}")
        self.activation = activation
        # not persistent: a checkpoint holds the network's weights and nothing of the loss
        self.register_buffer("class_weights", weights, persistent=False)

    def encode(self, logits: Tensor, target: Tensor) -> Encoded:
        """The target one-hot beside logits (B, K, *size), and the pixels that count."""
        channels = logits.shape[1]
        if target.ndim == logits.ndim and self.activation == "sigmoid":
            classes = channels
            encoded = Encoded((target == 1).float(), target != IGNORE)
        elif target.ndim == logits.ndim - 1 and self.activation == "softmax":
            classes = channels
            valid = (target != IGNORE).unsqueeze(1)
            index = target.unsqueeze(1).masked_fill(~valid, 0)
            one_hot = torch.zeros_like(logits, dtype=torch.float32).scatter_(1, index, valid.float())
            encoded = Encoded(one_hot, valid)
        elif target.ndim == logits.ndim - 1 and channels == 1:
            classes = 2
            target = target.unsqueeze(1)
            encoded = Encoded((target == 1).float(), target != IGNORE)
        else:
            raise ValueError(
                f"{self.activation} logits {tuple(logits.shape)} do not fit a target {tuple(target.shape)}; "
                "use head multiclass or binary for one label per pixel, head multilabel for a mask per class"
            )
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(f"class_weights has {len(self.class_weights)} numbers for {classes} classes")
        return encoded

    def pixel_weights(self, encoded: Encoded) -> Tensor:
        """Each pixel's share in a mean, shaped as ``valid``: 0 if ignored, else its class's weight."""
        if self.class_weights is None:
            return encoded.valid.float()
        weights = self.class_weights.view(1, -1, *(1,) * (encoded.one_hot.ndim - 2))
        if self.activation == "softmax":
            return (encoded.one_hot * weights).sum(1, keepdim=True)
        if encoded.one_hot.shape[1] == 1 and weights.shape[1] == 2:
            weights = weights[:, :1].lerp(weights[:, 1:], encoded.one_hot)
        return weights * encoded.valid

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, K, *size) and its target to a scalar."""
        raise NotImplementedError


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """``sum(values * weights) / sum(weights)``, and 0 without any weight."""
    return (values * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
