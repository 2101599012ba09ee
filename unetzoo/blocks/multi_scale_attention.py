"""Channel attention at two scales: each pixel, and the whole map."""

from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.eca import ChannelConv
from unetzoo.blocks.pooled_norm import PooledBatchNorm
from unetzoo.blocks.squeeze import Squeeze, make_squeeze
from unetzoo.nd import conv, norm

__all__ = ["MultiScaleChannelAttention"]


class MultiScaleChannelAttention(nn.Module):
    """``sigmoid(local(x) + global(mean(x)))`` (MS-CAM of Dai et al. 2021, arXiv:2009.14082, eq. 1 to 3).

    Both branches are a bottleneck of 1x1 convolutions with batch norm, one on every pixel and one on the
    global mean. The norm of the pooled vector is the paper's; a batch of one image uses its running
    statistics (`PooledBatchNorm`).

    Args:
        reduction: Inner channels are ``channels // reduction``, one at least.
        squeeze: What the global branch sees of the map, see `make_squeeze`; of several summaries what the
            branch makes of them is added.
        excite: The global branch: bottleneck (the paper's) | conv1d (ECA's convolution over channels) | fc
            (a bottleneck without norm).
        zero_init: Start with weights of 1/2: the last norms are zero, or what stands there without a norm.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 4,
        squeeze: Squeeze = "gap",
        excite: Literal["bottleneck", "conv1d", "fc"] = "bottleneck",
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        if excite not in ("bottleneck", "conv1d", "fc"):
            raise ValueError(f"excite {excite!r} is unknown; choose bottleneck, conv1d or fc")
        inner = max(1, channels // reduction)
        self.pixels = nn.Sequential(
            conv(ndim, channels, inner),
            norm("batch", ndim, inner),
            nn.ReLU(inplace=True),
            conv(ndim, inner, channels),
            norm("batch", ndim, channels),
        )
        self.summaries = make_squeeze(squeeze, ndim, channels)
        if excite == "conv1d":
            self.map = nn.Sequential(ChannelConv(channels))
        else:
            normed = excite == "bottleneck"
            self.map = nn.Sequential(
                conv(ndim, channels, inner),
                *([PooledBatchNorm(inner)] if normed else []),
                nn.ReLU(inplace=True),
                conv(ndim, inner, channels),
                *([PooledBatchNorm(channels)] if normed else []),
            )
        if zero_init:
            for parameter in (*self.pixels[-1].parameters(), *self.map[-1].parameters()):
                nn.init.zeros_(parameter)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, *size) to logits of its pixels, (B, C, *size), and of the whole map, (B, C, 1, ...)."""
        whole = torch.stack([self.map(summary) for summary in self.summaries(x)]).sum(0)
        return self.pixels(x), whole

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to its weights, (B, C, *size) in (0, 1)."""
        pixels, whole = self.logits(x)
        return (pixels + whole).sigmoid()
