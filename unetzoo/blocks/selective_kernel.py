"""Weigh several maps against each other, channel by channel."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze import Squeeze, make_squeeze
from unetzoo.nd import conv
from unetzoo.ops import sk_merge

__all__ = ["SelectiveKernel"]


class SelectiveKernel(nn.Module):
    """``sum(w[k] * x[k])`` with the w a softmax over the maps x, one per channel, from the mean of their sum.

    The fusion of selective kernel networks (Li et al. 2019, arXiv:1903.06586, eq. 5 and 6) with the two
    1x1 convolutions of gUNet (Song et al. 2022, arXiv:2209.11448), which have neither bias nor norm.

    Args:
        maps: Number of maps to be fused.
        reduction: Inner channels are ``channels // reduction``, four at least.
        squeeze: What is taken of each map and added up, see `make_squeeze`; of several summaries the logits
            are added.
    """

    def __init__(
        self, ndim: int, channels: int, *, maps: int = 2, reduction: int = 8, squeeze: Squeeze = "gap"
    ) -> None:
        super().__init__()
        self.maps = maps
        inner = max(channels // reduction, 4)
        self.summaries = make_squeeze(squeeze, ndim, channels)
        self.squeeze = conv(ndim, channels, inner, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.excite = conv(ndim, inner, maps * channels, bias=False)

    def weights(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, C, *size) to their weights, (maps, B, C, 1, ...), which sum to 1 over the first axis."""
        of_maps = zip(*(self.summaries(x) for x in maps), strict=True)
        each = [self.excite(self.act(self.squeeze(torch.stack(kind).sum(0)))) for kind in of_maps]
        return torch.stack(torch.stack(each).sum(0).chunk(self.maps, 1)).softmax(0)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of one shape to one map of that shape."""
        return sk_merge(maps, self.weights(maps))
