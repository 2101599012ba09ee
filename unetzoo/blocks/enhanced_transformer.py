"""Attention to a coarser map, and an MLP that sees neighbours."""

from torch import Tensor, nn

from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.blocks.reduced_attention import ReducedAttention
from unetzoo.levels import Level, ratio
from unetzoo.nd import norm

__all__ = ["EnhancedTransformer", "enhanced_transformer"]


class EnhancedTransformer(nn.Module):
    """Two residual steps, reduced attention and an MLP with a depthwise convolution, each after a layer norm.

    The enhanced transformer block of Huang et al. 2021, "MISSFormer", arXiv:2109.07162, sec. 3.2.

    Args:
        reduction: Pixels per axis of a cell of the map that is attended to.
        heads: Of the attention.
        ratio: Hidden channels of the MLP per channel.
    """

    def __init__(self, channels: int, *, reduction: tuple[int, ...], heads: int = 1, ratio: int = 4) -> None:
        super().__init__()
        ndim = len(reduction)
        self.attention = nn.Sequential(
            norm("layer", ndim, channels), ReducedAttention(channels, reduction=reduction, heads=heads)
        )
        self.mlp = nn.Sequential(
            norm("layer", ndim, channels), MixFFN(ndim, channels, hidden=ratio * channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        x = x + self.attention(x)
        out: Tensor = x + self.mlp(x)
        return out


def enhanced_transformer(row: Level, bottleneck: Level, *, head_channels: int = 64) -> EnhancedTransformer:
    """`EnhancedTransformer` that attends to a map of the bottleneck's size.

    For ``TokenEncoder.block`` and ``TokenDecoder.block``.

    Args:
        head_channels: Channels of each head, or the next larger number that divides the row's.
    """
    most = max(1, row.channels // head_channels)
    heads = max(n for n in range(1, most + 1) if row.channels % n == 0)
    return EnhancedTransformer(row.channels, reduction=ratio(bottleneck.stride, row.stride), heads=heads)
