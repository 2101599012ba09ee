"""Attention to a coarser version of the map."""

from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, norm

__all__ = ["ReducedAttention"]


class ReducedAttention(nn.Module):
    """Every pixel attends to the pixels of a coarser map, made by a convolution whose kernel is its stride.

    Spatial-reduction attention (PVT, Wang et al. 2021, arXiv:2102.12122, eq. 3) as in SegFormer (Xie et al.
    2021, arXiv:2105.15203) and MISSFormer. The cost is that of all pairs, divided by the pixels of a cell.

    Args:
        reduction: Pixels of a cell per axis, which the map must be a multiple of.
        heads: Groups of channels that attend on their own.

    Raises:
        ValueError: If the channels cannot be split into heads.
    """

    def __init__(self, channels: int, *, reduction: tuple[int, ...], heads: int = 1) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split into {heads} heads of attention")
        ndim, self.heads = len(reduction), heads
        self.reduce = nn.Sequential()
        if max(reduction) > 1:
            down = conv(ndim, channels, channels, reduction, stride=reduction)
            self.reduce = nn.Sequential(down, norm("layer", ndim, channels))
        self.query, self.out = (conv(ndim, channels, channels) for _ in range(2))
        self.key_value = conv(ndim, channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        q, k, v = (
            t.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)
            for t in (self.query(x), *self.key_value(self.reduce(x)).chunk(2, 1))
        )  # (B, heads, N, C / heads)
        found = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(found.transpose(2, 3).reshape_as(x))
        return out
