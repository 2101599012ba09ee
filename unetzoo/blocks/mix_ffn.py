"""The multilayer perceptron of a transformer, with a look at the neighbours."""

from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, norm

__all__ = ["MixFFN"]


class MixFFN(nn.Module):
    """``down(gelu(norm(depthwise(y) + y)))`` with ``y = up(x)``, which needs no position embedding.

    The 3x3 depthwise convolution between the two layers tells a token where it is (SegFormer, Xie et al.
    2021, arXiv:2105.15203, eq. 3); the shortcut around it and the layer norm are MISSFormer's (Huang et al.
    2021, arXiv:2109.07162, eq. 4, "Enhanced Mix-FFN").

    Args:
        hidden: Channels between the layers; ``None`` is 4 times as many.
    """

    def __init__(self, ndim: int, channels: int, *, hidden: int | None = None) -> None:
        super().__init__()
        width = 4 * channels if hidden is None else hidden
        self.up = conv(ndim, channels, width)
        self.depthwise = conv(ndim, width, width, 3, groups=width)
        self.norm = norm("layer", ndim, width)
        self.down = conv(ndim, width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        y = self.up(x)
        out: Tensor = self.down(F.gelu(self.norm(self.depthwise(y) + y)))
        return out
