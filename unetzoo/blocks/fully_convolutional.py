"""A classifier's fully connected layers as convolutions."""

from torch import Tensor, nn

from unetzoo.blocks.context import Context
from unetzoo.levels import Level
from unetzoo.nd import conv_unit

__all__ = ["FullyConvolutional"]


class FullyConvolutional(Context):
    """fc6 and fc7 of VGG as convolutions on the bottleneck, each with ReLU and dropout.

    Long et al. 2015, "Fully Convolutional Networks", arXiv:1411.4038, sec. 3.1. Padded, where the authors'
    code pads the image by 100 pixels and crops. They start from scratch, not from a classifier's weights.

    Args:
        channels: Width of both.
        kernel_size: Of fc6; odd.
        dropout: Probability of zeroing a value after each.
    """

    def __init__(
        self, level: Level, *, channels: int = 4096, kernel_size: int = 7, dropout: float = 0.5
    ) -> None:
        super().__init__()
        ndim, self.channels = len(level.stride), channels
        self.fc6 = nn.Sequential(
            *conv_unit(ndim, level.channels, channels, kernel_size, norm_name=None), nn.Dropout(dropout)
        )
        self.fc7 = nn.Sequential(*conv_unit(ndim, channels, channels, 1, norm_name=None), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        out: Tensor = self.fc7(self.fc6(x))
        return out
