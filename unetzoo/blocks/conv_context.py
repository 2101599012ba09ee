"""A convolution between encoder and decoder."""

from torch import Tensor, nn

from unetzoo.blocks.context import Context
from unetzoo.levels import Level
from unetzoo.nd import conv_unit

__all__ = ["ConvContext"]


class ConvContext(Context):
    """A 3x3 convolution with norm and ReLU that narrows the bottleneck for the decoder (TransUNet's).

    Args:
        channels: Width of what it returns.
    """

    def __init__(self, bottleneck: Level, *, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.unit = nn.Sequential(*conv_unit(len(bottleneck.stride), bottleneck.channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        out: Tensor = self.unit(x)
        return out
