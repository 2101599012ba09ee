"""Skips mixed with the decoder, voxel by voxel and channel by channel."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.project import project
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AttentiveSkip"]


class AttentiveSkip(SkipPathway):
    """Mix skip and decoder instead of adding them: every voxel of every channel lies between the two.

    ``(1 - w) * gate + w * skip`` with ``w = sigmoid(mix(leaky_relu(join([gate, skip]))))``, a 1x1 and a 3x3
    convolution, after Lai & Fu 2023, "Mixed Attention Network for Hyperspectral Image Denoising",
    arXiv:2301.11525 (ASC). Where the widths differ the skip is first projected to the decoder's by a 1x1
    convolution; the paper's always agree.

    Args:
        identity_init: Start as the skip that is added: the last convolution is zero and the output doubled,
            for good.
    """

    identity = "add"

    def __init__(
        self, encoder: Sequence[Level], decoder: Sequence[Gate], *, identity_init: bool = False
    ) -> None:
        super().__init__(encoder, decoder, merge=partial(_Mix, identity_init=identity_init))


class _Mix(Merge):
    def __init__(self, skip: Level, gate: Gate, *, identity_init: bool) -> None:
        super().__init__()
        ndim, self.channels = len(skip.stride), gate.channels
        self.project = project(ndim, skip.channels, gate.channels)
        self.join = conv(ndim, 2 * gate.channels, gate.channels)
        self.mix = conv(ndim, gate.channels, gate.channels, 3)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in self.mix.parameters():
                nn.init.zeros_(parameter)

    def share(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, D, *size) twice to the skip's share of the mixture, (B, D, *size) in (0, 1)."""
        weights: Tensor = self.mix(F.leaky_relu(self.join(torch.cat([gate, skip], 1)))).sigmoid()
        return weights

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        skip = self.project(skip)
        return self.gain * (gate + self.share(skip, gate) * (skip - gate))
