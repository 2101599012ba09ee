"""Attention to pixels and to channels, over all rows with one set of weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks.cbam import SpatialAttention
from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["AttentionBridge"]


class AttentionBridge(SkipPathway):
    """Weigh every row's pixels by a convolution they share, then its channels by the means of all rows.

    The bridge of MALUNet (Ruan et al. 2022, arXiv:2211.01784, sec. 2.3), which UltraLight VM-UNet
    (arXiv:2403.20035) keeps: ``p = t * spatial(t)``, ``u = p + t``, ``out = u * channel(u) + p``. The last
    sum takes the weighed pixels, as in both authors' code, not the row itself.

    Args:
        size: Kernel of the spatial attention's convolution.
        dilation: Of that convolution.
        kernel: Of the convolution along the means of all rows' channels.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        size: int = 7,
        dilation: int = 3,
        kernel: int = 3,
    ) -> None:
        super().__init__(encoder, decoder)
        widths = [row.channels for row in encoder[:-1]]
        self.spatial = SpatialAttention(len(encoder[0].stride), size=size, dilation=dilation, bias=True)
        self.mix = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        self.weigh = nn.ModuleList(nn.Linear(sum(widths), width) for width in widths)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, weighed; the bottleneck unchanged."""
        *rows, bottleneck = features
        pixels = [self.spatial(row) for row in rows]
        kept = [p + row for p, row in zip(pixels, rows, strict=True)]
        means = self.mix(torch.cat([x.flatten(2).mean(2) for x in kept], 1)[:, None])[:, 0]
        weights = [weigh(means).sigmoid() for weigh in self.weigh]
        out = [
            x * w.unflatten(1, (-1, *[1] * (x.dim() - 2))) + p
            for x, w, p in zip(kept, weights, pixels, strict=True)
        ]
        return [*out, bottleneck]
