"""Attention gates."""

from collections.abc import Sequence
from functools import partial
from math import gcd
from typing import cast

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, conv_unit, resize
from unetzoo.ops import attention_gate
from unetzoo.ops.attention_gate import gate_weights
from unetzoo.skips.base import Concat, Merge, SkipPathway

__all__ = ["AttentionGate"]


class AttentionGate(SkipPathway):
    """Let the decoder choose which part of the skip to keep.

    ``skip * sigmoid(psi(relu(theta(skip) + phi(coarse))))``, one weight per pixel, after Oktay et al. 2018,
    "Attention U-Net", arXiv:1804.03999, eq. 1, then concatenated with the decoder. The gating signal is
    projected at its own coarse resolution and resampled after: the same map as the other way round, since a
    1x1 convolution and a linear resampling commute, at a quarter of the cost or less.

    Args:
        inner: Inner channels as a fraction of the skip's (the paper's F_int; its code uses 1).
        sub_sample: Stride of theta; 2 is the paper's grid of the gating signal, 1 gates at the skip's
            resolution. An axis along which the gating signal is no coarser is not sub-sampled.
        upsampled: The gating signal is what the decoder brings to the row, as many implementations have it,
            instead of the coarser row that this was made of.
        transform: Add the 1x1 convolutions with batch norm of the authors' code: on the bottleneck before it
            is a gating signal (with ReLU), and W and the combining layer (with ReLU) on the gated skip.
        ungated: Rows whose skip passes as it is; the paper leaves out row 0.
        identity_init: Start as the plain skip: psi is zero and the gate's gain 2, so that a trained U-Net can
            be upgraded in place. Not with ``transform``.

    Raises:
        ValueError: If ``inner`` leaves a level without channels, or ``identity_init`` meets ``transform``.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        inner: float = 0.5,
        sub_sample: int = 1,
        upsampled: bool = False,
        transform: bool = False,
        ungated: Sequence[int] = (),
        identity_init: bool = False,
    ) -> None:
        if identity_init and transform:
            raise ValueError(
                "identity_init=true cannot hold with transform=true, whose batch norms change the skip; "
                "drop one"
            )
        gated = partial(
            _Gated, inner=inner, sub_sample=sub_sample, upsampled=upsampled, identity_init=identity_init
        )
        open_rows = {encoder[i].stride for i in ungated}
        bottleneck = encoder[-1].stride
        super().__init__(
            encoder,
            decoder,
            merge=lambda e, d: (
                Concat(e, d)
                if e.stride in open_rows
                else gated(e, d, transform=transform, signal=transform and d.coarse.stride == bottleneck)
            ),
        )


class _Gated(Merge):
    def __init__(
        self,
        skip: Level,
        gate: Gate,
        *,
        inner: float,
        sub_sample: int,
        upsampled: bool,
        transform: bool,
        signal: bool,
        identity_init: bool,
    ) -> None:
        super().__init__()
        ndim, width = len(skip.stride), int(skip.channels * inner)
        if width < 1:
            raise ValueError(f"inner={inner} leaves no channels of {skip.channels}; raise it")
        self.channels = skip.channels + gate.channels
        given = Level(gate.channels, gate.stride) if upsampled else gate.coarse
        self.upsampled = upsampled
        factor = ratio(given.stride, skip.stride)
        step = tuple(gcd(sub_sample, f) for f in factor)
        g = given.channels
        self.signal = nn.Sequential(*conv_unit(ndim, g, g, 1, bias=True)) if signal else nn.Identity()
        # kernel and stride agree as in the paper's code; phi alone has the bias of their sum
        self.theta = conv(ndim, skip.channels, width, step, stride=step, bias=False)
        self.phi = conv(ndim, g, width)
        self.psi = conv(ndim, width, 1)
        self.to_theta, self.step = ratio(factor, step), step
        self.to_skip = resize(step)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            for parameter in self.psi.parameters():
                nn.init.zeros_(parameter)
        self.transform = (
            nn.Sequential(
                *conv_unit(ndim, skip.channels, skip.channels, 1, activation_name=None, bias=True),
                *conv_unit(ndim, skip.channels, skip.channels, 1, bias=True),
            )
            if transform
            else nn.Identity()
        )

    def attention(self, skip: Tensor, given: Tensor) -> Tensor:
        """(B, C, *size) and the signal (B, D', *size') to the gate's weights, (B, 1, *size) in (0, gain)."""
        theta, signal = self.theta(skip), self.phi(self.signal(given))
        weights: Tensor = self.to_skip(gate_weights(theta, signal, *self.to_one(), self.to_theta))
        return self.gain * weights

    def to_one(self) -> tuple[Tensor, Tensor]:
        """What makes one weight of the inner channels: (1, F, 1, ...) and a bias."""
        return cast(Tensor, self.psi.weight), cast(Tensor, self.psi.bias)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        given = gate if self.upsampled else coarse
        if max(self.step) == 1:
            weights = cast(Tensor, self.theta.weight), self.phi(self.signal(given)), *self.to_one()
            kept = attention_gate(skip, *weights, factor=self.to_theta, gain=self.gain)
        else:
            kept = skip * self.attention(skip, given)
        return torch.cat([self.transform(kept), gate], 1)
