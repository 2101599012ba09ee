"""Residual rows with a Mamba behind some of them."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from unetzoo.blocks.channel_mamba import ChannelMamba
from unetzoo.blocks.mamba import MambaLayer
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm

__all__ = ["UMambaEncoder"]


class UMambaEncoder(Encoder):
    """Residual blocks, and layers of U-Mamba on chosen rows (Ma et al. 2024, arXiv:2401.04722).

    "Bot" has one on the bottleneck, "Enc" on every other row, the bottleneck included. The image first goes
    through as many blocks at its own size as the finest row has. The first block of a row carries the stride,
    and its shortcut is a 1x1 convolution without norm. Convolutions have a bias, as in the authors' code.

    Args:
        channels: Width per row, finest first.
        blocks: Residual blocks per row.
        mamba: Rows that have a Mamba, 0 the finest and -1 the bottleneck.
        patch: Size of the images, per axis. With it the Mamba of a row with no more pixels than channels goes
            from channel to channel instead of from pixel to pixel, and no other size will do.
        residual: Add what a Mamba is given to what it finds, which the released code does not.
        strides: Stride of each row to the input, per axis; ``None`` is 1, 2, 4 ... in every axis.

    Attributes:
        dynamic_size: No, if a row has a Mamba from channel to channel.

    Raises:
        ValueError: If there is not one number of blocks per row, a row is listed that does not exist, or the
            patch is no multiple of the bottleneck's stride.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 512, 512, 512),
        blocks: Sequence[int] = (2, 2, 2, 2, 1, 1, 1),
        ndim: int = 2,
        mamba: Sequence[int] = (-1,),
        patch: Sequence[int] | None = None,
        residual: bool = False,
        strides: Sequence[Sequence[int]] | None = None,
        norm: Norm | None = "instance",
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        self.levels = rows_of(channels, ndim, strides)
        rows, image = range(len(channels)), Level(in_channels, (1,) * ndim)
        if len(blocks) != len(channels):
            raise ValueError(
                f"encoder.blocks {list(blocks)} must give one number per row of {list(channels)}"
            )
        if wrong := [row for row in mamba if not -len(rows) <= row < len(rows)]:
            raise ValueError(f"encoder.mamba={list(mamba)}: there is no row {wrong[0]}; list 0 to {rows[-1]}")
        if patch is not None and (
            len(patch) != ndim or any(p % s for p, s in zip(patch, self.levels[-1].stride, strict=True))
        ):
            raise ValueError(
                f"encoder.patch={list(patch)} must give {ndim} multiples of the bottleneck's stride "
                f"{self.levels[-1].stride}"
            )
        chosen = {rows[row] for row in mamba}
        first = Level(self.levels[0].channels, image.stride)
        ends = [image, first, *self.levels]
        self.stages = nn.ModuleList(
            _stage(fine, coarse, count, norm, activation)
            for fine, coarse, count in zip(ends, ends[1:], [blocks[0], *blocks], strict=False)
        )
        self.mambas = nn.ModuleList(
            _mamba(level, patch, residual) if row in chosen else nn.Identity()
            for row, level in enumerate(self.levels)
        )
        self.dynamic_size = not any(isinstance(layer, ChannelMamba) for layer in self.mambas)
        self.patch = None if self.dynamic_size else patch

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        stem, *stages = self.stages
        x, features = stem(x), []
        for stage, mamba in zip(stages, self.mambas, strict=True):
            x = mamba(stage(x))
            features.append(x)
        return features


def _stage(fine: Level, coarse: Level, count: int, norm: Norm | None, act: Activation) -> nn.Sequential:
    ndim, width = len(fine.stride), coarse.channels
    return nn.Sequential(
        *(
            ResidualBlock(
                ndim,
                width if k else fine.channels,
                width,
                stride=1 if k else ratio(coarse.stride, fine.stride),
                norm=norm,
                activation_name=act,
                bias=True,
                plain_shortcut=not k,
            )
            for k in range(count)
        )
    )


def _mamba(level: Level, patch: Sequence[int] | None, residual: bool) -> nn.Module:
    if patch is not None:
        size = tuple(p // s for p, s in zip(patch, level.stride, strict=True))
        if prod(size) <= level.channels:
            return ChannelMamba(size, residual=residual)
    return MambaLayer(len(level.stride), level.channels, residual=residual)
