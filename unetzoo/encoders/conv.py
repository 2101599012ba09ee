"""The U-Net's own encoder."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from unetzoo.blocks import Block, conv_block, ramp_drop_path, stage
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, max_pool
from unetzoo.recompute import recomputed

__all__ = ["ConvEncoder", "isotropic", "rows_of"]

Downsampling = Callable[[Level, Level], tuple[nn.Module, int]]


def isotropic(count: int, ndim: int) -> list[tuple[int, ...]]:
    """Strides 1, 2, 4 ... for ``count`` rows."""
    return [(2**i,) * ndim for i in range(count)]


def rows_of(
    channels: Sequence[int], ndim: int, strides: Sequence[Sequence[int]] | None = None
) -> list[Level]:
    """Rows of these widths, finest first, at these strides or at 1, 2, 4 ... in every axis.

    Raises:
        ValueError: If there is not one stride per width.
    """
    if strides is not None and len(strides) != len(channels):
        raise ValueError(
            f"encoder.strides has {len(strides)} entries for {len(channels)} rows of channels "
            f"{list(channels)}; give one per row"
        )
    chosen = isotropic(len(channels), ndim) if strides is None else [tuple(s) for s in strides]
    return [Level(c, s) for c, s in zip(channels, chosen, strict=True)]


class ConvEncoder(Encoder):
    """Convolution blocks with max pooling between them (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        channels: Width per row, finest first.
        width: Width of the first row, doubled from row to row of ``strides``; instead of ``channels``.
        strides: Stride of each row to the input, per axis; ``None`` is 1, 2, 4 ... in every axis. Anisotropic
            volumes keep the thick axis with, say, ``[[1,1,1],[1,2,2],[2,4,4]]``.
        convs: Convolutions per block.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
        block: Builds a block from (ndim, channels in, channels out) instead of the U-Net's, which ``convs``,
            ``norm``, ``activation``, ``bias``, ``dropout`` and ``inner`` are about.
        blocks: Blocks per row; ``None`` is one each.
        inner: Width of a block's convolutions but the last, as a fraction of the row's; 0.5 doubles the width
            before pooling instead of after it.
        bottleneck: Builds the last row in one piece, instead of from blocks.
        down: max, or a callable from two levels, fine and coarse, to a module and the channels it delivers.
        stem: Builds what leads from the image to the first row's stride, as ``down`` does between rows;
            ``None`` leaves the image to the first block.
        entering: Hand on each row but the bottleneck as it enters its blocks, not as it leaves them.
        drop_path: Greatest rate of the blocks' stochastic depth, rising evenly from 0 at the first; ``None``
            leaves them as they are.
        recompute: Compute the blocks' activations again in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] | None = (32, 64, 128, 256, 512),
        width: int | None = None,
        ndim: int = 2,
        strides: Sequence[Sequence[int]] | None = None,
        convs: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = None,
        dropout: float = 0.0,
        inner: float = 1.0,
        block: Block | None = None,
        blocks: Sequence[int] | None = None,
        bottleneck: Block | None = None,
        down: Literal["max"] | Downsampling = "max",
        stem: Downsampling | None = None,
        entering: bool = False,
        drop_path: float | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute, self.entering = recompute, entering
        if width is not None and strides is not None:
            channels = [width * 2**row for row in range(len(strides))]
        if channels is None:
            raise ValueError("encoder.channels=null needs encoder.width and encoder.strides instead")
        self.levels = rows_of(channels, ndim, strides)
        if block is None:
            block = partial(
                conv_block,
                convs=convs,
                norm=norm,
                activation=activation,
                bias=bias,
                dropout=dropout,
                inner=inner,
            )
        counts = [1] * len(channels) if blocks is None else list(blocks)
        if len(counts) != len(channels):
            raise ValueError(f"encoder.blocks {counts} must give one number per row of {list(channels)}")
        makers = [partial(stage, block, count=count) for count in counts]
        if bottleneck is not None:
            makers[-1] = partial(stage, bottleneck)
        brings = in_channels
        self.stem: nn.Module = nn.Identity()
        if stem is not None:
            self.stem, brings = stem(Level(in_channels, (1,) * ndim), self.levels[0])
        elif entering or max(self.levels[0].stride) > 1:
            raise ValueError(
                f"encoder.entering and a first row at stride {self.levels[0].stride} need an encoder.stem, "
                "such as patch_embed"
            )
        self.pools, brought = nn.ModuleList(), [brings]
        for fine, coarse in pairwise(self.levels):
            factor = ratio(coarse.stride, fine.stride)
            pool, brings = (max_pool(factor), fine.channels) if down == "max" else down(fine, coarse)
            self.pools.append(pool)
            brought.append(brings)
        self.stages = nn.ModuleList(
            make(ndim, c_in, level.channels)
            for make, c_in, level in zip(makers, brought, self.levels, strict=True)
        )
        if drop_path is not None:
            ramp_drop_path(self.stages, drop_path)

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features: list[Tensor] = []
        for row, block in enumerate(self.stages):
            entered = self.pools[row - 1](x) if row else self.stem(x)
            again = self.recompute and self.training
            x = recomputed(block, entered, of=block) if again else block(entered)
            features.append(entered if self.entering and row < len(self.pools) else x)
        return features

    def truncate(self, depth: int) -> None:
        """Keep rows 0 to ``depth``."""
        self.levels, self.pools, self.stages = (
            self.levels[: depth + 1],
            self.pools[:depth],
            self.stages[: depth + 1],
        )
