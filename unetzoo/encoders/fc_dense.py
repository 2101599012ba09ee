"""FC-DenseNet's way down."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks.dense_block import DenseBlock, dense_unit
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.nd import conv, max_pool

__all__ = ["FCDenseEncoder"]


class FCDenseEncoder(Encoder):
    """Dense blocks whose stack goes on growing (Jegou et al. 2017, "Tiramisu", arXiv:1611.09326, section 3).

    A row is the stack at the end of its block, input and all layers. The bottleneck is the new features of
    its block alone: they are all that the way up is given.

    Args:
        stem: Width of the first convolution.
        growth: New channels per layer, the paper's k.
        layers: Layers per block, finest first, the bottleneck's last.
        dropout: Probability of zeroing a channel, after every convolution of blocks and transitions.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int = 2,
        stem: int = 48,
        growth: int = 16,
        layers: Sequence[int] = (4, 5, 7, 10, 12, 15),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = conv(ndim, in_channels, stem, 3)
        self.blocks, self.downs, widths = nn.ModuleList(), nn.ModuleList(), []
        drop = nn.Dropout2d if ndim == 2 else nn.Dropout3d
        width = stem
        for count in layers:
            self.blocks.append(
                DenseBlock(ndim, width, layers=count, growth=growth, bias=True, dropout=dropout)
            )
            width += count * growth
            widths.append(width)
            if len(widths) < len(layers):
                self.downs.append(
                    nn.Sequential(
                        *dense_unit(ndim, width, width, 1, bias=True), drop(dropout), max_pool((2,) * ndim)
                    )
                )
        widths[-1] = layers[-1] * growth
        self.levels = rows_of(widths, ndim)

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features: list[Tensor] = []
        x = self.stem(x)
        for block, down in zip(self.blocks, self.downs, strict=False):
            features.append(torch.cat([x, block(x)], 1))
            x = down(features[-1])
        return [*features, self.blocks[-1](x)]
