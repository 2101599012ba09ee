"""Skips whose channels are mixed across rows."""

from collections.abc import Sequence
from math import prod

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from unetzoo.blocks.channel_mix import ChannelMix
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, mean_pool, norm, resize
from unetzoo.skips.base import SkipPathway

__all__ = ["ChannelMixSkip"]


class ChannelMixSkip(SkipPathway):
    """Mix the channels of all skips with each other and with their neighbours', at the finest row.

    The CCMix of "MACMD" (2025): rows are brought to one width and size and concatenated,
    ``y = x + norm(mix(x))`` with RWKV's channel mixing, and every row takes its share back to its own width
    and size. Rows are enlarged linearly behind their 1x1 convolution, and averaged down before it, which is
    the same as the other way round and cheaper.

    Args:
        channels: Width each row is brought to; ``None`` is the finest row's.
        expansion: Inner channels of the mixing per channel.
        drop_path: Probability of leaving the mixing out for an image.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int | None = None,
        expansion: int = 2,
        drop_path: float = 0.05,
    ) -> None:
        super().__init__(encoder, decoder)
        rows = encoder[:-1]
        ndim, width = len(rows[0].stride), rows[0].channels if channels is None else channels
        factors = [ratio(row.stride, rows[0].stride) for row in rows]
        self.enter = nn.ModuleList(
            nn.Sequential(conv(ndim, row.channels, width), resize(factor))
            for row, factor in zip(rows, factors, strict=True)
        )
        self.mix = ChannelMix(ndim, width * len(rows), expansion=expansion)
        self.norm = norm("layer", ndim, width * len(rows))
        self.drop = DropPath(drop_path)
        self.leave = nn.ModuleList(
            nn.Sequential(
                mean_pool(factor) if prod(factor) > 1 else nn.Identity(), conv(ndim, width, row.channels)
            )
            for row, factor in zip(rows, factors, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, the bottleneck unchanged."""
        *rows, bottleneck = features
        x = torch.cat([enter(row) for enter, row in zip(self.enter, rows, strict=True)], 1)
        x = x + self.drop(self.norm(self.mix(x)))
        shares = x.chunk(len(rows), 1)
        return [*(leave(share) for leave, share in zip(self.leave, shares, strict=True)), bottleneck]
