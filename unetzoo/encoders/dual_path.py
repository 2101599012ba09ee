"""An encoder that keeps its input, pooled and unprocessed, beside what it makes of it."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from unetzoo.blocks.shortcut_block import ShortcutBlock
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.nd import conv, mean_pool

__all__ = ["DualPathEncoder"]


class DualPathEncoder(Encoder):
    """Average pooling and residual blocks that see the finest row's pooled copy too.

    ``f[i] = block([pool(f[i-1]), pool^i(f[0])])`` from the second row below on; for the first the two are the
    same. The disentangled path of SineNet (Zhang et al. 2024, arXiv:2403.19507). The finest row is the input
    itself where it has that row's width already, as in `Cascade`, and otherwise a 3x3 convolution of it.

    Args:
        channels: Width per row, finest first.
        dual: Whether blocks see the pooled copy; without it this is an ordinary residual encoder.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (64, 91, 129, 185, 263),
        ndim: int = 2,
        dual: bool = True,
    ) -> None:
        super().__init__()
        self.levels = rows_of(channels, ndim)
        self.dual = dual
        same = in_channels == channels[0]
        self.lift = nn.Identity() if same else conv(ndim, in_channels, channels[0], 3)
        self.pool = mean_pool((2,) * ndim)
        self.blocks = nn.ModuleList(
            ShortcutBlock(ndim, fine + (channels[0] if dual and i else 0), fine, coarse)
            for i, (fine, coarse) in enumerate(pairwise(channels))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        x = self.lift(x)
        features, copy = [x], x
        for i, block in enumerate(self.blocks):
            pooled, copy = self.pool(features[-1]), self.pool(copy)
            features.append(block(torch.cat([pooled, copy], 1) if self.dual and i else pooled, pooled))
        return features
