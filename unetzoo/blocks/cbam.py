"""Channel attention and then spatial attention, from means and maxima."""

import torch
from torch import Tensor, nn

from unetzoo.nd import Activation, activation, conv

__all__ = ["CBAM", "ChannelAttention", "SpatialAttention"]


class ChannelAttention(nn.Module):
    """``x * sigmoid(mlp(mean(x)) + mlp(max(x)))`` over space, one mlp for both (CBAM, eq. 2).

    Args:
        reduction: Inner channels are ``channels // reduction``, one at least.
        bias: Whether both layers have one; the usual implementations have none.
        identity_init: Start as the identity: the last layer is zero and the gate's gain 2.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        activation_name: Activation = "relu",
        bias: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.squeeze = conv(ndim, channels, inner, bias=bias)
        self.act = activation(activation_name)
        self.excite = conv(ndim, inner, channels, bias=bias)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in self.excite.parameters():
                nn.init.zeros_(parameter)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the channels' weights, (B, C, 1, ...) in (0, gain)."""
        axes = tuple(range(2, x.dim()))
        mean, peak = x.mean(axes, keepdim=True), x.amax(axes, keepdim=True)
        logits: Tensor = self.excite(self.act(self.squeeze(mean))) + self.excite(self.act(self.squeeze(peak)))
        return self.gain * logits.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return x * self.weights(x)


class SpatialAttention(nn.Module):
    """``x * sigmoid(conv([mean(x), max(x)]))`` over channels, one weight per pixel (CBAM, eq. 3).

    Args:
        size: Kernel of the convolution.
        identity_init: Start as the identity: the convolution is zero and the gate's gain 2.
    """

    def __init__(self, ndim: int, *, size: int = 7, identity_init: bool = False) -> None:
        super().__init__()
        self.conv = conv(ndim, 2, 1, size, bias=False)
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
        identity_init: Start as the identity.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        size: int = 7,
        bias: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        self.channel = ChannelAttention(
            ndim, channels, reduction=reduction, bias=bias, identity_init=identity_init
        )
        self.spatial = SpatialAttention(ndim, size=size, identity_init=identity_init)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.spatial(self.channel(x))
        return out
