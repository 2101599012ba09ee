"""Attention over positions and attention over channels, one after the other."""

from torch import Tensor, nn

from unetzoo.blocks.efficient_attention import EfficientAttention
from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.blocks.transposed_attention import TransposedAttention
from unetzoo.levels import Level
from unetzoo.nd import norm

__all__ = ["DualTransformer", "dual_transformer"]


class DualTransformer(nn.Module):
    """Four residual steps: efficient attention, MLP, channel attention, MLP, each after a layer norm.

    The dual transformer block of Azad et al. 2022, "DAE-Former", arXiv:2212.13504, fig. 2, which TransDAE
    takes over. Its cost grows with the number of pixels, so there are no windows.

    Args:
        heads: Of the channel attention.
        ratio: Hidden channels of the MLPs per channel.
    """

    def __init__(self, ndim: int, channels: int, *, heads: int = 8, ratio: int = 4) -> None:
        super().__init__()
        layers = [
            EfficientAttention(ndim, channels),
            MixFFN(ndim, channels, hidden=ratio * channels),
            TransposedAttention(ndim, channels, heads=heads),
            MixFFN(ndim, channels, hidden=ratio * channels),
        ]
        self.steps = nn.ModuleList(nn.Sequential(norm("layer", ndim, channels), layer) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        for step in self.steps:
            x = x + step(x)
        return x


def dual_transformer(row: Level, bottleneck: Level, *, heads: int = 8, ratio: int = 4) -> DualTransformer:
    """`DualTransformer` of a row's width; for ``TokenEncoder.block`` and ``TokenDecoder.block``."""
    return DualTransformer(len(row.stride), row.channels, heads=heads, ratio=ratio)
