"""Concurrent spatial and channel squeeze-and-excitation."""

from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.nd import conv

__all__ = ["ScSE"]


class ScSE(nn.Module):
    """Weigh channels and, beside it, pixels; add both (Roy et al. 2018, arXiv:1803.02579).

    ``x * cse(x) + x * sigmoid(q(x))`` with a 1x1 convolution q to one channel. The sum is what
    segmentation_models.pytorch takes; the paper prefers the larger of the two (``join=max``).

    Args:
        reduction: Of the squeeze-and-excitation.
        join: How the two are put together: sum | max.
        identity_init: Start as the identity: both gates are 1/2 and are added, so it needs ``join=sum``.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        join: Literal["sum", "max"] = "sum",
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        if join not in ("sum", "max"):
            raise ValueError(f"join {join!r} is unknown; choose sum or max")
        if identity_init and join == "max":
            raise ValueError("identity_init=true needs join=sum, whose two halves make one")
        self.channel = SqueezeExcite(ndim, channels, reduction=reduction)
        self.spatial = conv(ndim, channels, 1)
        self.join = join
        if identity_init:
            for parameter in (*self.channel.excite.parameters(), *self.spatial.parameters()):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        by_channel, by_pixel = self.channel(x), x * self.spatial(x).sigmoid()
        return by_channel + by_pixel if self.join == "sum" else torch.maximum(by_channel, by_pixel)
