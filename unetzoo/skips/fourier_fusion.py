"""Fusion of skip and decoder in the frequency domain."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.fourier import frequencies, inverse, spectrum
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, full_precision
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["FourierFusion"]

Rule = Literal["lowhigh", "amp_phase", "max_amp", "sum"]
# one squared amplitude: below its root a frequency is as good as absent
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
        size = gate.shape[2:]
        with full_precision(gate):
            of_skip, of_gate = spectrum(skip), spectrum(gate)
            if self.rule == "amp_phase":
                ratio = (_power(of_gate) / _power(of_skip)).sqrt()
                re, im = (part * ratio for part in of_skip)
            else:
                chosen = (
                    self.low(size, gate.device)
                    if self.rule == "lowhigh"
                    else _power(of_gate) > _power(of_skip)
                )
                re, im = (torch.where(chosen, g, s) for g, s in zip(of_gate, of_skip, strict=True))
            return inverse(re, im, size).to(gate.dtype)

    def low(self, size: Sequence[int], device: torch.device) -> Tensor:
        """Which frequencies of a map are the decoder's: bool (*size), the last axis of length n // 2 + 1."""
        low = torch.ones((), dtype=torch.bool, device=device)
        for axis, frequency in enumerate(frequencies(size, device)):
            low = low.unsqueeze(-1) & (frequency.abs() <= self.cutoff).reshape(*[1] * axis, -1)
        return low


def _power(z: tuple[Tensor, Tensor]) -> Tensor:
    re, im = z
    return re.square() + im.square() + _TINY
