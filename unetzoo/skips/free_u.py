"""Stronger decoder, fewer low frequencies in the skip."""

from collections.abc import Sequence
from math import pi
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Concat, Merge, SkipPathway

__all__ = ["FreeU", "low_pass"]


class FreeU(SkipPathway):
    """Amplify the decoder's feature and damp the skip's lowest frequencies in the deepest rows.

    ``[skip + (s - 1) * low(skip), gate']`` where the first half of ``gate'``'s channels is multiplied by b,
    after Si et al. 2024, "FreeU", arXiv:2309.11497, eq. 1 to 4: the decoder carries the meaning, skips carry
    detail, and a trained network gains by a new balance of the two. Nothing is trained, and nothing is added
    to the weights, so that those of a plain U-Net fit.

    The authors' code damps the 2x2 centre of the shifted spectrum, the frequencies -1 and 0 of each axis but
    not +1, and drops the imaginary part that this leaves; frequency 1 is damped half, in one diagonal more
    than in the other. Here it is all frequencies from ``-threshold`` to ``threshold`` of every axis, so that
    the filter is symmetric and real.

    Args:
        backbone: b of the deepest row, of the next ...; rows beyond the list pass as they are. The paper has
            1 to 1.6.
        skip: s likewise; at most 1.
        threshold: Highest frequency to damp, in periods per map.
        version: 1 multiplies the half by b. 2 by b where the mean over channels of the decoder's feature is
            largest in the map, by 1 where it is smallest, and linearly between.
        trainable: Learn b and s, starting from these.
        identity_init: Learn b and s, starting from 1.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        backbone: Sequence[float] = (1.2, 1.4),
        skip: Sequence[float] = (0.9, 0.2),
        threshold: int = 1,
        version: Literal[1, 2] = 2,
        trainable: bool = False,
        identity_init: bool = False,
    ) -> None:
        if len(backbone) != len(skip):
            raise ValueError(
                f"backbone lists {len(backbone)} factors and skip {len(skip)}; give one of each per row, "
                "deepest first"
            )
        if version not in (1, 2):
            raise ValueError(f"version={version} is unknown; choose 1 or 2")
        factors = [(1.0, 1.0) if identity_init else pair for pair in zip(backbone, skip, strict=True)]
        learned = trainable or identity_init
        # deepest first, as the lists are
        by_row = {g.stride: pair for g, pair in zip(reversed(decoder), factors, strict=False)}
        super().__init__(
            encoder,
            decoder,
            merge=lambda e, d: (
                _FreeU(e, d, *by_row[d.stride], threshold=threshold, version=version, trainable=learned)
                if d.stride in by_row
                else Concat(e, d)
            ),
        )


class _FreeU(Merge):
    backbone: float | Tensor
    damping: float | Tensor

    def __init__(
        self,
        skip: Level,
        gate: Gate,
        backbone: float,
        damping: float,
        *,
        threshold: int,
        version: int,
        trainable: bool,
    ) -> None:
        super().__init__()
        self.channels = skip.channels + gate.channels
        self.amplified, self.threshold, self.version = gate.channels // 2, threshold, version
        self.backbone = nn.Parameter(torch.tensor(backbone)) if trainable else backbone
        self.damping = nn.Parameter(torch.tensor(damping)) if trainable else damping

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        factor = self.backbone if self.version == 1 else (self.backbone - 1) * _structure(gate) + 1
        damped = skip + (self.damping - 1) * low_pass(skip, self.threshold)
        return torch.cat([damped, gate[:, : self.amplified] * factor, gate[:, self.amplified :]], 1)


def _structure(x: Tensor) -> Tensor:
    """Mean over channels, stretched to 0 to 1 over each map: (B, C, *size) to (B, 1, *size)."""
    mean, axes = x.mean(1, keepdim=True), tuple(range(1, x.dim()))
    low, high = mean.amin(axes, keepdim=True), mean.amax(axes, keepdim=True)
    return (mean - low) / (high - low).clamp(min=1e-6)  # a flat map has no structure: 0


def low_pass(x: Tensor, threshold: int) -> Tensor:
    """The part of a map whose frequencies are at most ``threshold`` periods along every axis.

    A projection on 2 * threshold + 1 cosines and sines, axis by axis: the same as zeroing the rest of the
    Fourier spectrum, but real, differentiable and made of matrix products.
    """
    for axis in range(2, x.dim()):
        size = x.shape[axis]
        k = torch.arange(threshold + 1, device=x.device, dtype=torch.float32)
        n = torch.arange(size, device=x.device, dtype=torch.float32)
        angle = 2 * pi / size * k[:, None] * n
        # a frequency and its mirror image -k are two, but for 0 and size / 2, which are their own; those
        # above size / 2 repeat lower ones
        weight = torch.where(2 * k < size, 2.0, torch.where(2 * k == size, 1.0, 0.0)) - (k == 0).float()
        modes = torch.cat([angle.cos(), angle.sin()]).to(x.dtype)  # (2 (threshold + 1), size)
        weighed = (torch.cat([weight, weight])[:, None] / size * modes).to(x.dtype)
        x = (x.movedim(axis, -1) @ modes.T @ weighed).movedim(-1, axis)
    return x
