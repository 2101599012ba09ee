"""What losses of a predicted image share: which pixels count, and the norm of an error."""

import torch
from torch import Tensor, nn

__all__ = ["IntensityLoss"]

CHARBONNIER = 1e-3
"""Below this an error counts squared, in the units the norm sees."""


class IntensityLoss(nn.Module):
    """A number from a predicted image (B, K, *size) and its target, both in the target's units.

    A pixel whose target is NaN takes no part: it changes neither the value nor any gradient. A batch without
    a single target gives 0. Computed in float32 at least: in half precision numbers above 2048 are 2 apart.

    Args:
        norm: l1 | l2 | charbonnier: ``|e|``, ``e^2`` or ``sqrt(e^2 + c^2) - c`` with c = 0.001.

    Raises:
        ValueError: If the norm is unknown.
    """

    def __init__(self, *, norm: str = "l1") -> None:
        super().__init__()
        if norm not in ("l1", "l2", "charbonnier"):
            raise ValueError(f"norm={norm!r} is unknown; choose l1, l2 or charbonnier")
        self.norm = norm

    def forward(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Two images (B, K, *size) to a scalar.

        Args:
            mask: (B, 1, *size) or (B, K, *size), False or 0 where a pixel takes no part either.
        """
        if prediction.shape != target.shape or not target.is_floating_point():
            raise ValueError(
                f"a prediction {tuple(prediction.shape)} cannot be compared with a target of {target.dtype} "
                f"{tuple(target.shape)}; this loss is for target images, choose loss=dice_ce for classes"
            )
        known = target.isfinite() if mask is None else target.isfinite() & mask.bool()
        with torch.autocast(prediction.device.type, enabled=False):
            wide = torch.float64 if prediction.dtype == torch.float64 else torch.float32
            prediction = prediction.to(wide)
            # NaN times a weight of 0 is NaN
            errors = self.errors(prediction, target.to(wide).where(known, prediction.detach()))
            return (errors * known).sum() / known.sum().clamp(min=1)

    def errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Of each pixel, (B, K, *size)."""
        raise NotImplementedError

    def size(self, error: Tensor) -> Tensor:
        """The norm of each error."""
        if self.norm == "charbonnier":
            return (error.square() + CHARBONNIER**2).sqrt() - CHARBONNIER
        return error.abs() if self.norm == "l1" else error.square()
