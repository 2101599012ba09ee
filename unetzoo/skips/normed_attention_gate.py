"""Attention gates with normed projections."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv_unit
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["NormedAttentionGate"]


class NormedAttentionGate(SkipPathway):
    """``skip * sigmoid(bn(psi(relu(bn(w_x(skip)) + bn(w_g(gate))))))`` at every row, the finest included.

    Oktay et al. 2018, "Attention U-Net", arXiv:1804.03999, eq. 1, in the form that most PyTorch code has
    given it: the gating signal is taken at the skip's resolution, and every projection is followed by batch
    norm. `AttentionGate` is the paper's form.

    Args:
        inner: Inner channels as a fraction of the skip's.

    Raises:
        ValueError: If ``inner`` leaves a level without channels.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, inner: float = 0.5) -> None:
        super().__init__(encoder, decoder, merge=partial(_Gated, inner=inner))


class _Gated(Merge):
    def __init__(self, skip: Level, gate: Gate, *, inner: float) -> None:
        super().__init__()
        ndim, width = len(skip.stride), int(skip.channels * inner)
        if width < 1:
            raise ValueError(f"inner={inner} leaves no channels of {skip.channels}; raise it")
        self.channels = skip.channels + gate.channels
        project = partial(conv_unit, size=1, activation_name=None, bias=True)
        self.w_x = nn.Sequential(*project(ndim, skip.channels, width))
        self.w_g = nn.Sequential(*project(ndim, gate.channels, width))
        self.psi = nn.Sequential(*project(ndim, width, 1))

    def attention(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to the gate's weights, (B, 1, *size) in (0, 1)."""
        weights: Tensor = self.psi((self.w_x(skip) + self.w_g(gate)).relu()).sigmoid()
        return weights

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return torch.cat([skip * self.attention(skip, gate), gate], 1)
