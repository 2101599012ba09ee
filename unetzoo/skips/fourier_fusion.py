"""Fusion of skip and decoder in the frequency domain."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.fourier import Fourier, low_pass
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, full_precision
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["FourierFusion"]

Rule = Literal["lowhigh", "amp_phase", "max_amp", "sum"]
# squared amplitude below which a frequency is as good as absent
_TINY = 1e-6


class FourierFusion(SkipPathway):
    """Put skip and decoder together frequency by frequency, without a parameter where their widths agree.

    After the Fourier fusion of Wang et al. 2024, "Leveraging Frequency Domain Learning in 3D Vessel
    Segmentation", arXiv:2401.06224, whose rule is not known. A skip of another width than the decoder's
    feature is projected by a 1x1 convolution, which has no bias.

    Args:
        rule: lowhigh: low frequencies are the decoder's, the others the skip's | amp_phase: amplitudes are
            the decoder's and phases the skip's | max_amp: each frequency is that of the larger amplitude |
            sum: addition.
        cutoff: Highest low frequency, as a fraction of the highest that a map can have along each axis; 0 is
            the mean alone.

    Raises:
        ValueError: If there is no such rule, or the cutoff is not between 0 and 1.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        rule: Rule = "lowhigh",
        cutoff: float = 0.25,
    ) -> None:
        if rule not in ("lowhigh", "amp_phase", "max_amp", "sum"):
            raise ValueError(f"rule {rule!r} is unknown; choose lowhigh, amp_phase, max_amp or sum")
        if not 0 <= cutoff <= 1:
            raise ValueError(f"cutoff={cutoff} is no fraction of the highest frequency; choose 0 to 1")
        super().__init__(encoder, decoder, merge=partial(_Fused, rule=rule, cutoff=cutoff))


class _Fused(Merge):
    def __init__(self, skip: Level, gate: Gate, *, rule: Rule, cutoff: float) -> None:
        super().__init__()
        self.channels, self.rule, self.cutoff = gate.channels, rule, cutoff
        same = skip.channels == gate.channels
        self.project = (
            nn.Identity() if same else conv(len(skip.stride), skip.channels, gate.channels, bias=False)
        )

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        skip = self.project(skip)
        if self.rule == "sum":
            return skip + gate
        with full_precision(gate):
            if self.rule == "lowhigh":
                # the transform is linear: what is low in the skip is replaced by what is low in the gate
                wide = skip.to(torch.promote_types(gate.dtype, torch.float32))
                return (wide + low_pass(gate - wide, self.cutoff)).to(gate.dtype)
            transform = Fourier(gate.shape[2:], gate.device)
            re, im = transform.there(torch.cat([skip, gate]))
            (s_re, g_re), (s_im, g_im) = re.chunk(2), im.chunk(2)
            s_power = s_re.square() + s_im.square() + _TINY
            g_power = g_re.square() + g_im.square() + _TINY
            if self.rule == "amp_phase":
                ratio = (g_power / s_power).sqrt()
                re, im = s_re * ratio, s_im * ratio
            else:
                larger = g_power > s_power
                re, im = torch.where(larger, g_re, s_re), torch.where(larger, g_im, s_im)
            return transform.back(re, im).to(gate.dtype)
