"""BiSeNet's attention refinement module."""

from torch import Tensor, nn

from unetzoo.blocks.pooled_norm import pooled_unit
from unetzoo.nd import conv_unit

__all__ = ["AttentionRefinement"]


class AttentionRefinement(nn.Module):
    """A 3x3 convolution whose channels are weighed by what the whole map holds.

    ``z * sigmoid(norm(w mean(z)))``, z the convolution with norm and ReLU; Yu et al. 2018, "BiSeNet",
    arXiv:1808.00897, fig. 2b. A batch of a single image is normalised by running statistics behind the mean.
    """

    def __init__(self, ndim: int, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*conv_unit(ndim, c_in, c_out))
        self.attention = nn.Sequential(*pooled_unit(ndim, c_out, c_out), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        z = self.conv(x)
        out: Tensor = z * self.attention(z.mean(tuple(range(2, z.dim())), keepdim=True))
        return out
