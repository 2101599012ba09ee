"""The attention-guided skip of AGG-Net."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, norm
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AttentionGuidedSkip"]


class AttentionGuidedSkip(SkipPathway):
    """Let skip and decoder together weigh every value of the skip, channel by channel.

    ``skip * sigmoid(norm(w(relu([a, b]))))`` with ``a = norm(conv3x3(skip))``, ``b = norm(conv1x1(gate))``,
    then concatenated with the decoder: AG-SC of Chen et al. 2023, "AGG-Net", arXiv:2309.01624. Attention
    U-Net has one weight per pixel instead.

    Args:
        identity_init: Start as the plain skip: the last norm's scale is zero and the gate's gain 2.
    """

    identity = "concat"

    def __init__(
        self, encoder: Sequence[Level], decoder: Sequence[Gate], *, identity_init: bool = False
    ) -> None:
        super().__init__(encoder, decoder, merge=partial(_Guided, identity_init=identity_init))


class _Guided(Merge):
    def __init__(self, skip: Level, gate: Gate, *, identity_init: bool) -> None:
        super().__init__()
        ndim, width = len(skip.stride), skip.channels
        self.channels = width + gate.channels
        self.from_skip = nn.Sequential(conv(ndim, width, width, 3), norm("batch", ndim, width))
        self.from_gate = nn.Sequential(conv(ndim, gate.channels, width), norm("batch", ndim, width))
        last = norm("batch", ndim, width)
        self.weigh = nn.Sequential(nn.ReLU(inplace=True), conv(ndim, 2 * width, width), last, nn.Sigmoid())
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def attention(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to weights (B, C, *size) in (0, gain)."""
        weights: Tensor = self.weigh(torch.cat([self.from_skip(skip), self.from_gate(gate)], 1))
        return self.gain * weights

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return torch.cat([skip * self.attention(skip, gate), gate], 1)
