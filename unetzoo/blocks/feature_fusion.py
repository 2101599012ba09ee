"""BiSeNet's feature fusion module."""

from torch import Tensor, nn

from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.nd import conv_unit

__all__ = ["FeatureFusion"]


class FeatureFusion(nn.Module):
    """A 1x1 convolution on what was concatenated, and once more as much of the channels that matter.

    ``z + z * sigmoid(w_2 relu(w_1 mean(z)))``, z the convolution with norm and ReLU; Yu et al. 2018,
    "BiSeNet", arXiv:1808.00897, fig. 2c.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*conv_unit(ndim, c_in, c_out, 1))
        self.attention = SqueezeExcite(ndim, c_out, reduction=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        z = self.conv(x)
        out: Tensor = z + self.attention(z)
        return out
