"""Attention gates with normed projections."""

from collections.abc import Sequence
from functools import partial
from math import gcd
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.project import project
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv_unit
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["NormedAttentionGate"]


class NormedAttentionGate(SkipPathway):
    """``skip * sigmoid(bn(psi(relu(bn(w_x(skip)) + bn(w_g(gate))))))`` at every row, the finest included.

    Oktay et al. 2018, "Attention U-Net", arXiv:1804.03999, eq. 1, in the form that most PyTorch code has
    given it: the gating signal is taken at the skip's resolution, and every projection is followed by batch
    norm. `AttentionGate` is the paper's form. With grouped 3x3 convolutions for ``w_x`` and ``w_g``, and
    addition, it is the large-kernel grouped attention gate of Rahman et al. 2024, "EMCAD", arXiv:2405.06880.

    Args:
        inner: Inner channels as a fraction of the skip's.
        size: Kernel of ``w_x`` and ``w_g``.
        grouped: Let each inner channel see its own share of the channels alone.
        join: Concatenate the gated skip with the decoder, or add it, at the decoder's width.

    Raises:
        ValueError: If ``inner`` leaves a level without channels, or ``join`` is unknown.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        inner: float = 0.5,
        size: int = 1,
        grouped: bool = False,
        join: Literal["concat", "add"] = "concat",
    ) -> None:
        if join not in ("concat", "add"):
            raise ValueError(f"join {join!r} is unknown; choose concat or add")
        gated = partial(_Gated, inner=inner, size=size, grouped=grouped, add=join == "add")
        super().__init__(encoder, decoder, merge=gated)


class _Gated(Merge):
    def __init__(self, skip: Level, gate: Gate, *, inner: float, size: int, grouped: bool, add: bool) -> None:
        super().__init__()
        ndim, width = len(skip.stride), int(skip.channels * inner)
        if width < 1:
            raise ValueError(f"inner={inner} leaves no channels of {skip.channels}; raise it")
        self.add = add
        self.channels = gate.channels + (0 if add else skip.channels)

        def unit(c_in: int, c_out: int, size: int, groups: int) -> nn.Sequential:
            return nn.Sequential(
                *conv_unit(ndim, c_in, c_out, size, groups=groups, activation_name=None, bias=True)
            )

        self.w_x, self.w_g = (
            unit(c, width, size, gcd(c, width) if grouped else 1) for c in (skip.channels, gate.channels)
        )
        self.psi = unit(width, 1, 1, 1)
        self.project = project(ndim, skip.channels, gate.channels) if add else nn.Identity()

    def attention(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to the gate's weights, (B, 1, *size) in (0, 1)."""
        weights: Tensor = self.psi((self.w_x(skip) + self.w_g(gate)).relu()).sigmoid()
        return weights

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        gated = self.project(skip * self.attention(skip, gate))
        return gate + gated if self.add else torch.cat([gated, gate], 1)
