"""Channel attention at two scales: each pixel, and the whole map."""

from torch import Tensor, nn

from unetzoo.blocks.pooled_norm import PooledBatchNorm
from unetzoo.nd import conv, norm

__all__ = ["MultiScaleChannelAttention"]


class MultiScaleChannelAttention(nn.Module):
    """``sigmoid(local(x) + global(mean(x)))`` (MS-CAM of Dai et al. 2021, arXiv:2009.14082, eq. 1 to 3).

    Both branches are a bottleneck of 1x1 convolutions with batch norm, one on every pixel and one on the
    global mean. The norm of the pooled vector is the paper's; a batch of one image uses its running
    statistics (`PooledBatchNorm`).

    Args:
        reduction: Inner channels are ``channels // reduction``, one at least.
        zero_init: Start with weights of 1/2: the last norms are zero.
    """

    def __init__(self, ndim: int, channels: int, *, reduction: int = 4, zero_init: bool = False) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.pixels = nn.Sequential(
            conv(ndim, channels, inner),
            norm("batch", ndim, inner),
            nn.ReLU(inplace=True),
            conv(ndim, inner, channels),
            norm("batch", ndim, channels),
        )
        self.map = nn.Sequential(
            conv(ndim, channels, inner),
            PooledBatchNorm(inner),
            nn.ReLU(inplace=True),
            conv(ndim, inner, channels),
            PooledBatchNorm(channels),
        )
        if zero_init:
            for parameter in (*self.pixels[-1].parameters(), *self.map[-1].parameters()):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to its weights, (B, C, *size) in (0, 1)."""
        logits: Tensor = self.pixels(x) + self.map(x.mean(tuple(range(2, x.dim())), keepdim=True))
        return logits.sigmoid()
