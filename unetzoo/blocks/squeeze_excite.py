"""Squeeze-and-excitation."""

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze import Squeeze, make_squeeze
from unetzoo.nd import Activation, activation, conv

__all__ = ["SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Weigh channels by what the whole map holds (Hu et al. 2018, arXiv:1709.01507, eq. 2 to 4).

    ``x * sigmoid(w_2 act(w_1 mean(x)))``; of several summaries the logits are added.

    Args:
        reduction: Inner channels are ``channels // reduction``, one at least.
        squeeze: What the layers see of the map, see `make_squeeze`; dct is FcaNet's attention.
        bias: Whether both layers have one.
        identity_init: Start as the identity: the last layer is zero and the gate's gain 2.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        activation_name: Activation = "relu",
        squeeze: Squeeze = "gap",
        bias: bool = True,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.summaries = make_squeeze(squeeze, ndim, channels)
        self.squeeze = conv(ndim, channels, inner, bias=bias)
        self.act = activation(activation_name)
        self.excite = conv(ndim, inner, channels, bias=bias)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in self.excite.parameters():
                nn.init.zeros_(parameter)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the channels' weights, (B, C, 1, ...) in (0, gain)."""
        logits = [self.excite(self.act(self.squeeze(summary))) for summary in self.summaries(x)]
        return self.gain * torch.stack(logits).sum(0).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return x * self.weights(x)
