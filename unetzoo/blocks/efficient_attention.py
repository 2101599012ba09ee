"""Attention over all positions at a cost that grows with their number, not its square."""

import torch
from torch import Tensor, nn

from unetzoo.nd import conv

__all__ = ["EfficientAttention", "efficient_attention"]


def efficient_attention(query: Tensor, key: Tensor, value: Tensor, *, heads: int = 1) -> Tensor:
    """``softmax_C(query) @ (softmax_N(key) @ value)``: a few global summaries, and a mixture of them.

    Every key channel is a map of weights over all positions and sums the values up to one summary; every
    position mixes the summaries by its query. Shen et al. 2018, "Efficient Attention", arXiv:1812.01243, eq.
    4, with softmax as normalisation. There is no temperature.

    Args:
        query: (B, K, *size).
        key: (B, K, *size).
        value: (B, V, *size).
        heads: Groups of channels that attend on their own.

    Returns:
        (B, V, *size).
    """
    q, k, v = (torch.unflatten(t.flatten(2), 1, (heads, -1)) for t in (query, key, value))  # (B, heads, C, N)
    summaries = k.softmax(-1) @ v.transpose(-2, -1)  # (B, heads, K, V)
    out = summaries.transpose(-2, -1) @ q.softmax(-2)
    return out.reshape_as(value)


class EfficientAttention(nn.Module):
    """`efficient_attention` of a map to itself, with 1x1 convolutions before and after.

    Args:
        heads: Groups of channels that attend on their own.

    Raises:
        ValueError: If the channels cannot be split into heads.
    """

    def __init__(self, ndim: int, channels: int, *, heads: int = 1) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split into {heads} heads of attention")
        self.heads = heads
        self.query, self.key, self.value, self.out = (conv(ndim, channels, channels) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.out(
            efficient_attention(self.query(x), self.key(x), self.value(x), heads=self.heads)
        )
        return out
