"""Transformer rows without windows."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks.stage import RowBlock
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.levels import Level, ratio
from unetzoo.nd import conv, norm

__all__ = ["TokenEncoder"]


class TokenEncoder(Encoder):
    """Overlapping patches, transformer blocks and a layer norm, row by row.

    The encoder of DAE-Former (Azad et al. 2022, arXiv:2212.13504) and MISSFormer (Huang et al. 2021,
    arXiv:2109.07162), with SegFormer's overlapping patches (arXiv:2105.15203): a convolution of stride s sees
    2 s - 1 pixels.

    Args:
        block: Builds a block from (row, bottleneck).
        channels: Width per row, finest first.
        blocks: Blocks per row.
        strides: Stride of each row to the input, per axis; ``None`` is 4, 8, 16 ... in every axis.

    Raises:
        ValueError: If there is not one number of blocks per row.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        block: RowBlock,
        channels: Sequence[int],
        blocks: Sequence[int],
        ndim: int = 2,
        strides: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        if len(blocks) != len(channels):
            raise ValueError(
                f"encoder.blocks {list(blocks)} must give one number per row of {list(channels)}"
            )
        if strides is None:
            strides = [(4 * 2**i,) * ndim for i in range(len(channels))]
        self.levels = rows_of(channels, ndim, strides)
        self.embeds, self.stages = nn.ModuleList(), nn.ModuleList()
        above = Level(in_channels, (1,) * ndim)
        for level, count in zip(self.levels, blocks, strict=True):
            self.embeds.append(_overlapping(above, level))
            made = (block(level, self.levels[-1]) for _ in range(count))
            self.stages.append(nn.Sequential(*made, norm("layer", ndim, level.channels)))
            above = level

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = []
        for embed, stage in zip(self.embeds, self.stages, strict=True):
            x = stage(embed(x))
            features.append(x)
        return features


def _overlapping(fine: Level, coarse: Level) -> nn.Sequential:
    step = ratio(coarse.stride, fine.stride)
    size, padding = tuple(2 * s - 1 for s in step), tuple(s - 1 for s in step)
    embed = conv(len(step), fine.channels, coarse.channels, size, stride=step, padding=padding)
    return nn.Sequential(embed, norm("layer", len(step), coarse.channels))
