"""The decoder weighs the skip's channels."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["ChannelGate"]


class ChannelGate(SkipPathway):
    """Let the decoder choose which channels of the skip to keep, by what both hold on the whole map.

    ``relu(skip * sigmoid((w_x mean(skip) + w_g mean(gate)) / 2))``, then concatenated with the decoder: the
    channel-wise cross attention (CCA) of Wang et al. 2022, "UCTransNet", arXiv:2109.04335, sec. 3.2.

    Args:
        identity_init: Start as the plain skip: both projections are zero, the gate's gain is 2, and there is
            no ReLU, which signed skips would not survive.
    """

    identity = "concat"

    def __init__(
        self, encoder: Sequence[Level], decoder: Sequence[Gate], *, identity_init: bool = False
    ) -> None:
        super().__init__(encoder, decoder, merge=partial(_Gated, identity_init=identity_init))


class _Gated(Merge):
    def __init__(self, skip: Level, gate: Gate, *, identity_init: bool) -> None:
        super().__init__()
        ndim, self.channels = len(skip.stride), skip.channels + gate.channels
        self.from_skip = conv(ndim, skip.channels, skip.channels)
        self.from_gate = conv(ndim, gate.channels, skip.channels)
        self.gain = 2.0 if identity_init else 1.0
        self.act: nn.Module = nn.Identity() if identity_init else nn.ReLU()
        if identity_init:
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

    def attention(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to weights (B, C, 1, ...) in (0, gain)."""
        space = tuple(range(2, skip.dim()))
        logits = self.from_skip(skip.mean(space, keepdim=True)) + self.from_gate(
            gate.mean(space, keepdim=True)
        )
        weights: Tensor = self.gain * (logits / 2).sigmoid()
        return weights

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return torch.cat([self.act(skip * self.attention(skip, gate)), gate], 1)
