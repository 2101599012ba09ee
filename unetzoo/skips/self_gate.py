"""Skips that gate themselves."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks import DilatedGate
from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["SelfGate"]


class SelfGate(SkipPathway):
    """Convolve every skip at several dilations and weigh its pixels by what that shows; see `DilatedGate`.

    The MCAG of "MACMD" (2025), which has no gating signal from the decoder.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate]) -> None:
        super().__init__(encoder, decoder)
        self.gates = nn.ModuleList(DilatedGate(len(row.stride), row.channels) for row in encoder[:-1])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, the bottleneck unchanged."""
        *rows, bottleneck = features
        return [*(gate(x) for gate, x in zip(self.gates, rows, strict=True)), bottleneck]
