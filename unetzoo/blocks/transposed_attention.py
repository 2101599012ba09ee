"""Attention between channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv

__all__ = ["TransposedAttention"]


class TransposedAttention(nn.Module):
    """Every channel attends to the channels of its head; what it compares are whole maps.

    ``softmax(tau * q k^T) v`` with ``q`` and ``k`` of length 1 along the positions and a learned ``tau`` per
    head, so that weights depend on how maps are correlated and not on how large they are; the cost grows with
    the number of positions. Known as transposed, channel or cross-covariance attention (El-Nouby et al. 2021,
    arXiv:2106.09681); in this form in Azad et al. 2022, "DAE-Former", arXiv:2212.13504, eq. 4.

    Args:
        heads: Groups of channels that attend on their own.

    Raises:
        ValueError: If the channels cannot be split into heads.
    """

    def __init__(self, ndim: int, channels: int, *, heads: int = 8) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split into {heads} heads of attention")
        self.heads = heads
        self.qkv = conv(ndim, channels, 3 * channels, bias=False)
        self.out = conv(ndim, channels, channels)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.temperature.no_weight_decay = True  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        q, k, v = (
            t.flatten(2).unflatten(1, (self.heads, -1)) for t in self.qkv(x).chunk(3, 1)
        )  # (B, heads, C / heads, N)
        # in float32, because squares are summed over every position
        q, k = (F.normalize(t.float(), dim=-1) for t in (q, k))
        weights = (self.temperature * (q @ k.transpose(-2, -1))).softmax(-1)
        out: Tensor = self.out((weights.to(v.dtype) @ v).reshape_as(x))
        return out
