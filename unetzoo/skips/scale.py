"""Skips that are scaled, row by row."""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["ScaleSkip"]


class ScaleSkip(SkipPathway):
    """Multiply the skip of row i by a constant.

    - ``power``: ``kappa ** i``, the constant scaling of ScaleLong (Huang et al. 2023, arXiv:2310.13545):
      the finest skip passes as it is and deeper ones shrink, which bounds how far features and gradients can
      swing. The paper's kappa lies between 0.5 and 0.95.
    - ``constant``: ``sqrt(1/2)`` in every row, what diffusion networks used before.
    - ``linear``: from ``ends[0]`` in the finest row to ``ends[1]`` in the deepest, what Skip-Tuning
      (Ma et al. 2024, arXiv:2402.15170) does to a network that was trained without.

    Scales that are not learned are no part of the weights, so those of a plain U-Net fit; and they can be
    folded into the input channels of the convolution that follows. The learned channel gate of ScaleLong is
    `Reweight` with `SqueezeExcite`.

    Args:
        mode: power | constant | linear.
        kappa: Base of ``power``.
        ends: Scales of the finest and the deepest skip for ``linear``.
        trainable: Learn the scales, starting from these.
        identity_init: Learn the scales, starting from 1.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        mode: Literal["power", "constant", "linear"] = "power",
        kappa: float = 0.7,
        ends: tuple[float, float] = (1.0, 0.7),
        trainable: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        rows, (fine, deep) = len(decoder), ends
        by_mode = {
            "power": [kappa**i for i in range(rows)],
            "constant": [sqrt(0.5)] * rows,
            "linear": [fine + (deep - fine) * i / max(1, rows - 1) for i in range(rows)],
        }
        if mode not in by_mode:
            raise ValueError(f"mode {mode!r} is unknown; choose {', '.join(by_mode)}")
        start = [1.0] * rows if identity_init else by_mode[mode]
        learned = trainable or identity_init
        self.scales = nn.ParameterList(torch.tensor(s) for s in start) if learned else start

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, scaled; the bottleneck unchanged."""
        *skips, bottleneck = features
        return [*(scale * skip for scale, skip in zip(self.scales, skips, strict=True)), bottleneck]
