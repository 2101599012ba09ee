"""Attentional feature fusion of skip and decoder."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from unetzoo.blocks import MultiScaleChannelAttention
from unetzoo.blocks.project import project
from unetzoo.blocks.squeeze import Squeeze
from unetzoo.levels import Gate, Level
from unetzoo.ops import mfms_merge
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AttentionalFusion"]


class AttentionalFusion(SkipPathway):
    """Weigh skip against decoder in every pixel and channel, by what they add up to.

    ``gain * (w * skip + (1 - w) * gate)`` with ``w = attention(skip + gate)`` at two scales, after Dai et al.
    2021, "Attentional Feature Fusion", arXiv:2009.14082, eq. 4. With two rounds (iAFF, eq. 5) the first
    fusion takes the sum's place as what the second attention looks at. A skip of another width is projected
    to the decoder's. With ``squeeze=dct`` and ``excite=conv1d`` it is MFMS, the skip of CVMH-UNet (Cao et al.
    2025, arXiv:2410.05624), as far as that is known.

    Args:
        rounds: 1 is AFF, 2 is iAFF. Each has an attention of its own; the authors' code makes two and uses
            one of them twice.
        reduction: Of the attention's bottleneck.
        squeeze: What its global branch sees of the map, see `unetzoo.blocks.squeeze.make_squeeze`.
        excite: bottleneck | conv1d | fc, what it makes of that.
        gain: 2 as in the authors' code, so that undecided weights add; the paper's formula has 1, a mean.
        identity_init: Start as addition: undecided weights and a gain of 2.

    Raises:
        ValueError: If there is no round, or ``identity_init`` meets another gain.
    """

    identity = "add"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        rounds: int = 1,
        reduction: int = 4,
        squeeze: Squeeze = "gap",
        excite: Literal["bottleneck", "conv1d", "fc"] = "bottleneck",
        gain: float = 2.0,
        identity_init: bool = False,
    ) -> None:
        if rounds < 1:
            raise ValueError(f"rounds={rounds} fuses nothing; choose 1 (AFF) or 2 (iAFF)")
        if identity_init and gain != 2:
            raise ValueError(f"identity_init=true is addition, which needs gain=2, not {gain}")
        attention = {
            "reduction": reduction,
            "squeeze": squeeze,
            "excite": excite,
            "zero_init": identity_init,
        }
        super().__init__(
            encoder, decoder, merge=partial(_Fused, rounds=rounds, gain=gain, attention=attention)
        )


class _Fused(Merge):
    def __init__(
        self, skip: Level, gate: Gate, *, rounds: int, gain: float, attention: dict[str, Any]
    ) -> None:
        super().__init__()
        ndim, self.channels, self.gain = len(skip.stride), gate.channels, gain
        self.project = project(ndim, skip.channels, gate.channels)
        self.attentions: Any = nn.ModuleList(
            MultiScaleChannelAttention(ndim, gate.channels, **attention) for _ in range(rounds)
        )

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        skip = self.project(skip)
        fused = skip + gate
        for attention in self.attentions:
            pixels, whole = attention.logits(fused)
            fused = mfms_merge(pixels, whole, skip, gate, gain=self.gain)
        return fused
