"""HarDNet."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from unetzoo.blocks.hard_block import HarDBlock
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import Activation, conv_unit, max_pool, mean_pool

__all__ = ["HarDNetEncoder"]


class HarDNetEncoder(Encoder):
    """Harmonically dense blocks with 1x1 convolutions between them (Chao et al. 2019, arXiv:1909.00948).

    A row of the U is what its last block puts out, before the 1x1 convolution, as in FC-HarDNet; the
    bottleneck is taken after it.

    Args:
        stem: Width of the convolutions before the first block.
        stem_strides: Stride of each of them.
        pool_stem: Halve the size again before the first block; the stem is a row then.
        channels: Width after the 1x1 convolution that follows each block.
        growth: Width of a block's odd layers, the paper's k, per block.
        layers: Layers per block, the paper's L.
        down: Whether the size is halved after each block but the last.
        multiplier: The paper's m.
        depthwise: The "DS" networks: every 3x3 convolution but the first becomes a 1x1 and a depthwise one,
            and pooling a strided depthwise one.
        pool: max | mean, how sizes are halved; not with ``depthwise``.
        activation: relu (FC-HarDNet) | relu6 (classification).

    Raises:
        ValueError: If the lists are of different lengths.
    """

    channels_last = True

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int = 2,
        stem: Sequence[int] = (16, 24, 32, 48),
        stem_strides: Sequence[int] = (2, 1, 2, 1),
        pool_stem: bool = False,
        channels: Sequence[int] = (64, 96, 160, 224, 320),
        growth: Sequence[int] = (10, 16, 18, 24, 32),
        layers: Sequence[int] = (4, 4, 8, 8, 8),
        down: Sequence[bool] = (True, True, True, True),
        multiplier: float = 1.7,
        depthwise: bool = False,
        pool: Literal["max", "mean"] = "mean",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if not len(channels) == len(growth) == len(layers) == len(down) + 1:
            raise ValueError(
                f"channels {list(channels)}, growth {list(growth)} and layers {list(layers)} must have one "
                f"number per block, and down {list(down)} one per block but the last"
            )

        def halve(width: int) -> nn.Module:
            if depthwise:
                return nn.Sequential(
                    *conv_unit(ndim, width, width, stride=2, activation_name=None, groups=width)
                )
            return max_pool((2,) * ndim) if pool == "max" else mean_pool((2,) * ndim)

        first, width, stride = [], in_channels, 1
        for k, (c, step) in enumerate(zip(stem, stem_strides, strict=True)):
            size = 1 if depthwise and k else 3
            first += conv_unit(ndim, width, c, size, stride=step, activation_name=activation)
            width, stride = c, stride * step
        self.stem = nn.Sequential(*first)
        self.levels = []
        self.pool = None
        if pool_stem:
            self.levels.append(Level(width, (stride,) * ndim))
            window: type[nn.Module] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[ndim]
            self.pool = halve(width) if depthwise else window(3, 2, 1)
            stride *= 2
        self.blocks, self.projections, self.downs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.ends = [*down, False]
        for c, k, count, end in zip(channels, growth, layers, self.ends, strict=True):
            block = HarDBlock(
                ndim,
                width,
                growth=k,
                multiplier=multiplier,
                layers=count,
                depthwise=depthwise,
                activation=activation,
            )
            self.blocks.append(block)
            self.projections.append(
                nn.Sequential(*conv_unit(ndim, block.channels, c, 1, activation_name=activation))
            )
            self.downs.append(halve(c) if end else nn.Identity())
            if end:
                self.levels.append(Level(block.channels, (stride,) * ndim))
                stride *= 2
            width = c
        self.levels.append(Level(width, (stride,) * ndim))

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = []
        x = self.stem(x)
        if self.pool is not None:
            features.append(x)
            x = self.pool(x)
        for block, project, down, end in zip(
            self.blocks, self.projections, self.downs, self.ends, strict=True
        ):
            x = block(x)
            if end:
                features.append(x)
            x = down(project(x))
        return [*features, x]
