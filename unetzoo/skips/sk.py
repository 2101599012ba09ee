"""Selective kernel fusion of skip and decoder."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from unetzoo.blocks import SelectiveKernel
from unetzoo.blocks.squeeze import Squeeze
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["SKFusion"]


class SKFusion(SkipPathway):
    """Skip and decoder compete for every channel, and what they add up to decides.

    ``w[0] * gate + w[1] * project(skip)``, w a softmax over the two for each channel, from the global mean
    of their sum. Song et al. 2022, "gUNet", arXiv:2209.11448, after selective kernels, arXiv:1903.06586. The
    merge is as wide as the decoder's feature.

    Args:
        reduction: Inner channels are ``channels // reduction``, four at least.
        squeeze: What stands for the mean, see `unetzoo.blocks.squeeze.make_squeeze`.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        reduction: int = 8,
        squeeze: Squeeze = "gap",
    ) -> None:
        super().__init__(encoder, decoder, merge=partial(_Fused, reduction=reduction, squeeze=squeeze))


class _Fused(Merge):
    def __init__(self, skip: Level, gate: Gate, *, reduction: int, squeeze: Squeeze) -> None:
        super().__init__()
        ndim, self.channels = len(skip.stride), gate.channels
        self.project = conv(ndim, skip.channels, gate.channels)
        self.fuse = SelectiveKernel(ndim, gate.channels, reduction=reduction, squeeze=squeeze)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.fuse([gate, self.project(skip)])
        return out
