"""DeepLab's context module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks.context import Context
from unetzoo.blocks.pooled_norm import pooled_unit
from unetzoo.levels import Level
from unetzoo.nd import conv_unit

__all__ = ["ASPP"]


class ASPP(Context):
    """Atrous spatial pyramid pooling: the same map seen with narrow, wide and wider convolutions, and whole.

    ``project([1x1(x), 3x3 at each rate, mean(x)])``, each with norm and ReLU, Chen et al. 2018,
    "Encoder-Decoder with Atrous Separable Convolution", arXiv:1802.02611, fig. 2, after arXiv:1706.05587,
    sec. 3.3. The mean's batch norm has one value per image; a batch of a single image is normalised by
    running statistics there.

    Args:
        channels: Width of each branch and of the output.
        rates: Dilations; (6, 12, 18) is for a bottleneck at stride 16, twice that for stride 8. Where a
            rate exceeds the map, only the kernel's centre sees anything.
        separable: Make each dilated convolution depthwise, then 1x1, as with Xception.
        dropout: Probability of zeroing a value of the output.
    """

    def __init__(
        self,
        level: Level,
        *,
        channels: int = 256,
        rates: Sequence[int] = (6, 12, 18),
        separable: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        ndim, width, self.channels = len(level.stride), level.channels, channels
        self.branches = nn.ModuleList([nn.Sequential(*conv_unit(ndim, width, channels, 1))])
        for rate in rates:
            self.branches.append(
                nn.Sequential(
                    *conv_unit(ndim, width, width, dilation=rate, groups=width),
                    *conv_unit(ndim, width, channels, 1),
                )
                if separable
                else nn.Sequential(*conv_unit(ndim, width, channels, dilation=rate))
            )
        self.whole = nn.Sequential(*pooled_unit(ndim, width, channels), nn.ReLU(inplace=True))
        self.project = nn.Sequential(
            *conv_unit(ndim, channels * (len(rates) + 2), channels, 1), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        seen = [branch(x) for branch in self.branches]
        whole = self.whole(x.mean(tuple(range(2, x.dim())), keepdim=True))
        out: Tensor = self.project(torch.cat([*seen, whole.expand_as(seen[0])], 1))
        return out
