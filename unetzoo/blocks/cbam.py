"""Channel attention and then spatial attention, from means and maxima."""

from typing import Any

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze import Squeeze
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.nd import conv

__all__ = ["CBAM", "ChannelAttention", "SpatialAttention"]


class ChannelAttention(SqueezeExcite):
    """``x * sigmoid(mlp(mean(x)) + mlp(max(x)))`` over space, one mlp for both (CBAM, eq. 2).

    Args:
        squeeze: What the mlp sees of the map instead, see `make_squeeze`.
        bias: Whether both layers have one; the usual implementations have none.
        options: The other arguments of `SqueezeExcite`.
    """

    def __init__(
        self, ndim: int, channels: int, *, squeeze: Squeeze = "mean_max", bias: bool = False, **options: Any
    ) -> None:
        super().__init__(ndim, channels, squeeze=squeeze, bias=bias, **options)


class SpatialAttention(nn.Module):
    """``x * sigmoid(conv([mean(x), max(x)]))`` over channels, one weight per pixel (CBAM, eq. 3).

    Args:
        size: Kernel of the convolution.
        dilation: Of the convolution.
        bias: Whether it has one.
        identity_init: Start as the identity: the convolution is zero and the gate's gain 2.
    """

    def __init__(
        self,
        ndim: int,
        *,
        size: int = 7,
        dilation: int = 1,
        bias: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        self.conv = conv(ndim, 2, 1, size, dilation=dilation, bias=bias)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in self.conv.parameters():
                nn.init.zeros_(parameter)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the pixels' weights, (B, 1, *size) in (0, gain)."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        weights: Tensor = self.gain * self.conv(summary).sigmoid()
        return weights

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return x * self.weights(x)


class CBAM(nn.Module):
    """Weigh channels, then pixels (Woo et al. 2018, arXiv:1807.06521).

    The authors' code puts a batch norm after the spatial convolution; the paper's formula, and this, do not.

    Args:
        reduction: Of the channel attention.
        size: Kernel of the spatial attention.
        squeeze: Of the channel attention, see `make_squeeze`.
        identity_init: Start as the identity.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        size: int = 7,
        squeeze: Squeeze = "mean_max",
        bias: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        self.channel = ChannelAttention(
            ndim, channels, reduction=reduction, squeeze=squeeze, bias=bias, identity_init=identity_init
        )
        self.spatial = SpatialAttention(ndim, size=size, identity_init=identity_init)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.spatial(self.channel(x))
        return out
