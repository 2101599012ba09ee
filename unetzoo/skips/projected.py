"""DeepLabv3+'s skip."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import Activation, Norm, conv_unit
from unetzoo.skips.base import SkipPathway

__all__ = ["ProjectedSkip"]


class ProjectedSkip(SkipPathway):
    """Narrow every skip by a 1x1 convolution with norm and activation, then concatenate it.

    So that wide low-level rows do not drown the decoder: Chen et al. 2018, arXiv:1802.02611, sec. 3.1 and
    table 1.

    Args:
        channels: Width of every skip.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int = 48,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        *rows, bottleneck = encoder
        super().__init__(
            encoder, decoder, levels=[*(Level(channels, row.stride) for row in rows), bottleneck]
        )
        self.rows = nn.ModuleList(
            nn.Sequential(
                *conv_unit(
                    len(row.stride), row.channels, channels, 1, norm_name=norm, activation_name=activation
                )
            )
            for row in rows
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels, *size_i); the bottleneck unchanged."""
        *rows, bottleneck = features
        return [*(project(row) for project, row in zip(self.rows, rows, strict=True)), bottleneck]
