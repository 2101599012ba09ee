"""Attention between all pairs of pixels, beside attention between all pairs of channels."""

from contextlib import AbstractContextManager, nullcontext
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, conv_unit

__all__ = ["ChannelAffinity", "DualAttention", "PositionAttention"]


class PositionAttention(nn.Module):
    """``x + gamma * softmax(q k^T) v``: every pixel reads every pixel, whatever their distance.

    The position attention module of Fu et al. 2019, "Dual Attention Network", arXiv:1809.02983, eq. 1 and 2.
    ``gamma`` starts at zero. The number of pairs is the square of the number of pixels: 16,384 pixels (128 x
    128, or 32 x 32 x 16) have 268 million pairs, 1 GB in an exported graph, which keeps them all.

    Args:
        reduction: Queries and keys have ``channels // reduction`` channels, at least one.
        max_tokens: The most pixels that are compared.
        where: What the map is called in the message.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 8,
        max_tokens: int = 16384,
        where: str = "this map",
    ) -> None:
        super().__init__()
        self.max_tokens, self.where = max_tokens, where
        inner = max(1, channels // reduction)
        self.query, self.key = conv(ndim, channels, inner), conv(ndim, channels, inner)
        self.value = conv(ndim, channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same.

        Raises:
            ValueError: If there are more than ``max_tokens`` pixels.
        """
        # a graph that is being recorded has symbols for sizes, and the meta device no memory to run out of
        counted = not torch.compiler.is_compiling() and not x.is_meta
        if counted and prod(x.shape[2:]) > self.max_tokens:
            raise ValueError(
                f"position attention compares all pairs of the {prod(x.shape[2:])} pixels of {self.where}, "
                f"{tuple(x.shape[2:])}, more than max_tokens={self.max_tokens}; take smaller patches, attend "
                "to coarser rows, or raise max_tokens"
            )
        # zeros change nothing, and fused kernels, which keep no pairs, want equal widths of 8, 16 ...
        wide = -(-x.shape[1] // 8) * 8
        q, k, v = (
            F.pad(t.flatten(2).transpose(1, 2), [0, wide - t.shape[1]]).unsqueeze(1)
            for t in (self.query(x), self.key(x), self.value(x))
        )  # (B, 1, N, wide)
        found = F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., : x.shape[1]]
        return x + self.gamma * found.squeeze(1).transpose(1, 2).reshape_as(x)


class ChannelAffinity(nn.Module):
    """``x + gamma * softmax(max(e) - e) x`` with ``e = x x^T``: channels read the channels unlike themselves.

    The channel attention module of Fu et al. 2019, arXiv:1809.02983, eq. 3 and 4, with the largest affinity
    minus each, as in the authors' code and not in the paper. Its only parameter, ``gamma``, starts at zero.
    Affinities are sums over all pixels, without a temperature, so they are made in float32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        with _whole_precision(x):
            maps = x.flatten(2).float() if x.dtype in (torch.float16, torch.bfloat16) else x.flatten(2)
            affinity = maps @ maps.transpose(1, 2)  # (B, C, C)
            unlike = affinity.amax(2, keepdim=True) - affinity
            found = unlike.softmax(2) @ maps
        return x + self.gamma * found.reshape_as(x).to(x.dtype)


class DualAttention(nn.Module):
    """`PositionAttention` beside `ChannelAffinity` on few channels, added up and widened again.

    A 3x3 convolution in front of each and another behind it, with batch norm and ReLU; then the sum, a 1x1
    convolution and ReLU, without a residual. The head of Fu et al. 2019, "Dual Attention Network",
    arXiv:1809.02983, as Sun et al. 2023, "DA-TransUNet", arXiv:2310.12570, put it on skips.

    Args:
        reduction: Inner channels are ``channels // reduction``, at least one.
        max_tokens: The most pixels that position attention compares.
        where: What the map is called in the message.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        reduction: int = 16,
        max_tokens: int = 16384,
        where: str = "this map",
    ) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        attentions = (PositionAttention(ndim, inner, max_tokens=max_tokens, where=where), ChannelAffinity())
        self.branches = nn.ModuleList(
            nn.Sequential(*conv_unit(ndim, channels, inner), attention, *conv_unit(ndim, inner, inner))
            for attention in attentions
        )
        self.out = nn.Sequential(conv(ndim, inner, channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        position, channel = self.branches
        out: Tensor = self.out(position(x) + channel(x))
        return out


def _whole_precision(x: Tensor) -> AbstractContextManager[object]:
    kind = x.device.type
    # the meta device knows no autocast
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)
