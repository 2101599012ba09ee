"""Small adapters on the skips of a trained network."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import SkipPathway

__all__ = ["SCTuner"]


class SCTuner(SkipPathway):
    """Adapt a trained network through its skips alone.

    ``skip + w_2 gelu(w_1 skip)``, pixel by pixel, after the SC-Tuner of Jiang et al. 2024, "SCEdit",
    arXiv:2312.11392, eq. 5. The last layer starts at zero, so that the network answers as before; with
    everything else frozen, ``2 C^2 + 2 C`` weights per row learn the new task, and no gradient needs to go
    back through the encoder. In front of a pathway that the network was trained with, chain the two.

    Args:
        ratio: Inner channels as a fraction of the row's; the paper's configs have 1.

    Raises:
        ValueError: If ``ratio`` leaves a row without channels.
    """

    identity = "concat"

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, ratio: float = 1.0) -> None:
        super().__init__(encoder, decoder)
        self.adapters = nn.ModuleList(_adapter(level, ratio) for level in encoder[:-1])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, adapted; the bottleneck unchanged."""
        *skips, bottleneck = features
        return [*(s + adapter(s) for s, adapter in zip(skips, self.adapters, strict=True)), bottleneck]


def _adapter(level: Level, ratio: float) -> nn.Sequential:
    ndim, inner = len(level.stride), int(level.channels * ratio)
    if inner < 1:
        raise ValueError(f"ratio={ratio} leaves no channels of {level.channels}; raise it")
    last = conv(ndim, inner, level.channels)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(conv(ndim, level.channels, inner), nn.GELU(), last)
