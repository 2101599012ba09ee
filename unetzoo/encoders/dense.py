"""DenseNet in 2D and 3D, to be trained from scratch."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from unetzoo.blocks.dense_block import DenseBlock, dense_unit
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import activation, conv_unit, mean_pool, norm

__all__ = ["DenseEncoder"]


class DenseEncoder(Encoder):
    """Dense blocks with halving transitions between them (Huang et al. 2017, "DenseNet", arXiv:1608.06993).

    A row is the stack at the end of its block, the finest one the stem.

    Args:
        stem: Width of the 7x7 convolution.
        growth: New channels per layer, the paper's k.
        layers: Layers per block.
        strides: Stride of each row to the input, per axis; ``None`` is 2, 4, 8 ... in every axis.
        bottleneck: Width of the 1x1 convolution of a layer as a multiple of ``growth``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int = 3,
        stem: int = 96,
        growth: int = 32,
        layers: Sequence[int] = (3, 4, 12, 8),
        strides: Sequence[Sequence[int]] | None = None,
        bottleneck: int = 4,
    ) -> None:
        super().__init__()
        rows = [(2 ** (i + 1),) * ndim for i in range(len(layers) + 1)]
        rows = rows if strides is None else [tuple(s) for s in strides]
        steps = [ratio(b, a) for a, b in pairwise(rows)]
        pool: type[nn.Module] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[ndim]
        self.stem = nn.Sequential(*conv_unit(ndim, in_channels, stem, 7, stride=rows[0]))
        self.blocks, self.downs, widths = nn.ModuleList(), nn.ModuleList([pool(3, steps[0], 1)]), [stem]
        width = stem
        for count, step in zip(layers, [*steps[1:], None], strict=True):
            self.blocks.append(DenseBlock(ndim, width, layers=count, growth=growth, bottleneck=bottleneck))
            width += count * growth
            widths.append(width)
            if step is not None:
                halved = dense_unit(ndim, width, width // 2, 1)
                self.downs.append(nn.Sequential(*halved, mean_pool(step)))
                width //= 2
        self.last = nn.Sequential(norm("batch", ndim, width), activation("relu"))
        self.levels = [Level(c, s) for c, s in zip(widths, rows, strict=True)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = [self.stem(x)]
        for down, block in zip(self.downs, self.blocks, strict=True):
            x = down(features[-1])
            features.append(torch.cat([x, block(x)], 1))
        return [*features[:-1], self.last(features[-1])]
