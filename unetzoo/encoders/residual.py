"""A residual encoder to be trained from scratch, in 2D and 3D."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks import ResidualBlock
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm

__all__ = ["ResidualEncoder"]


class ResidualEncoder(Encoder):
    """Residual blocks, the first of each row strided (the plan of nnU-Net's ResEnc, arXiv:2404.09556).

    Args:
        channels: Width per row, finest first.
        blocks: Residual blocks per row.
        strides: Stride of each row to the input, per axis; ``None`` is 1, 2, 4 ... in every axis.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 320),
        blocks: Sequence[int] = (1, 2, 2, 2, 2),
        ndim: int = 2,
        strides: Sequence[Sequence[int]] | None = None,
        norm: Norm | None = "instance",
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        self.levels = rows_of(channels, ndim, strides)
        if len(blocks) != len(channels):
            raise ValueError(
                f"encoder.blocks {list(blocks)} must give one number per row of {list(channels)}"
            )
        self.stages = nn.ModuleList()
        above = Level(in_channels, (1,) * ndim)
        for level, count in zip(self.levels, blocks, strict=True):
            widths, step = (
                [above.channels] + [level.channels] * (count - 1),
                ratio(level.stride, above.stride),
            )
            self.stages.append(
                nn.Sequential(
                    *(
                        ResidualBlock(
                            ndim,
                            c,
                            level.channels,
                            stride=step if k == 0 else 1,
                            norm=norm,
                            activation_name=activation,
                        )
                        for k, c in enumerate(widths)
                    )
                )
            )
            above = level

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def truncate(self, depth: int) -> None:
        """Keep rows 0 to ``depth``."""
        self.levels, self.stages = self.levels[: depth + 1], self.stages[: depth + 1]
