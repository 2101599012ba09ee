"""Deep supervision: every head is trained, the main one most."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["deep_supervision_loss", "deep_supervision_weights"]


def deep_supervision_weights(heads: int, weights: Sequence[float] | None = None) -> list[float]:
    """Weights of the heads, main one first, with sum 1.

    Args:
        heads: Number of outputs.
        weights: One number per head, of any scale; ``None`` halves from head to head, after nnU-Net. Equal
            numbers are what UNet++ (arXiv:1807.10165, section 3.3) does.

    Raises:
        ValueError: If the numbers do not match the heads, one is negative or all are zero.
    """
    values = [0.5**i for i in range(heads)] if weights is None else [float(w) for w in weights]
    if len(values) != heads or min(values) < 0 or sum(values) == 0:
        raise ValueError(
            f"deep_supervision_weights {values} does not go with {heads} heads; "
            "give one number per head, main one first, or null"
        )
    return [value / sum(values) for value in values]


def deep_supervision_loss(
    loss: Callable[[Tensor, Tensor], Tensor],
    outputs: Sequence[Tensor],
    target: Tensor,
    weights: Sequence[float],
) -> Tensor:
    """Weighted sum of one loss over all heads, each (B, K, *size), against the same target."""
    return torch.stack([w * loss(y, target) for w, y in zip(weights, outputs, strict=True)]).sum()
