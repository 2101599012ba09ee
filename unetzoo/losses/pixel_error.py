"""The mean error of an image's values."""

from torch import Tensor

from unetzoo.losses.intensity import IntensityLoss

__all__ = ["PixelError"]


class PixelError(IntensityLoss):
    """Mean absolute error, or squared or Charbonnier (Lai et al. 2017, arXiv:1704.03915, section 3.3).

    Args:
        norm: l1 | l2 | charbonnier.
        scale: Errors are divided by it, in the target's units; 1 leaves them as they are.
    """

    def __init__(self, *, norm: str = "l1", scale: float = 1.0) -> None:
        super().__init__(norm=norm)
        if not scale > 0:
            raise ValueError(f"scale={scale} must be positive")
        self.scale = float(scale)

    def errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Of each pixel, (B, K, *size)."""
        return self.size((prediction - target) / self.scale)
