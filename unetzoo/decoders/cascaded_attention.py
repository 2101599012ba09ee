"""A decoder that attends to channels and pixels before every block."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from unetzoo.blocks import ChannelAttention, MultiScaleDepthwise, SpatialAttention, depthwise_up
from unetzoo.decoders.base import MergeRule
from unetzoo.decoders.conv import ConvDecoder
from unetzoo.levels import Level

__all__ = ["CascadedAttentionDecoder"]


class CascadedAttentionDecoder(ConvDecoder):
    """Channel attention, spatial attention and a multi-scale block at every row, the bottleneck included.

    ``d[i] = block(pixels(channels[i](merge(skip[i], up(d[i + 1])))))``, the decoder of Rahman et al. 2024,
    "EMCAD", arXiv:2405.06880, fig. 2, of the encoder's widths: one spatial attention serves all rows, and the
    bottleneck is handed on, for the paper supervises it too. Its own skip is the large-kernel grouped
    attention gate (``skip=lgag``), which adds.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        expansion: Inner channels of the blocks per channel.
        sizes: Kernels of the blocks' depthwise convolutions.
        reduction: Of the channel attention.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        expansion: int = 2,
        sizes: Sequence[int] = (1, 3, 5),
        reduction: int = 16,
    ) -> None:
        block = partial(MultiScaleDepthwise, expansion=expansion, sizes=sizes)
        super().__init__(encoder, up=depthwise_up, block=block, hand_on=True)
        self.reduction = reduction
        self.pixels = SpatialAttention(len(encoder[0].stride))

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks, the bottleneck's last."""
        super().build(merged)
        width, stride = self.levels[-1]
        ndim = len(stride)
        self.blocks.append(self.block(ndim, width, width))
        self.channels = nn.ModuleList(
            ChannelAttention(ndim, c, reduction=self.reduction) for c in (*merged, width)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck included."""
        x = self.refine(len(self.ups), skips[-1])
        decoded = [x]
        for row in reversed(range(len(self.ups))):
            x = self.refine(row, merge(row, skips[row], self.ups[row](x), x))
            decoded.append(x)
        return decoded

    def refine(self, row: int, x: Tensor) -> Tensor:
        """Multi-scale convolutional attention (MSCAM) of one row."""
        out: Tensor = self.blocks[row](self.pixels(self.channels[row](x)))
        return out
