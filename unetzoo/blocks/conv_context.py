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
        bias: Of the convolution.
    """

    def __init__(self, bottleneck: Level, *, channels: int, bias: bool = False) -> None:
        super().__init__()
        self.channels = channels
        ndim = len(bottleneck.stride)
        self.unit = nn.Sequential(*conv_unit(ndim, bottleneck.channels, channels, bias=bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        out: Tensor = self.unit(x)
        return out
