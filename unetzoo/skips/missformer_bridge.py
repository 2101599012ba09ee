"""Rows that attend to all rows, pixel by pixel."""

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv
from unetzoo.skips.base import SkipPathway

__all__ = ["ContextBridge"]


class ContextBridge(SkipPathway):
    """Let every pixel of every row attend to the pixels of all rows, the bottleneck's among them.

    The enhanced transformer context bridge of Huang et al. 2021, "MISSFormer", arXiv:2109.07162, sec. 3.4.
    Every row becomes tokens of one width: a pixel of a wider row is several of them, each a group of its
    channels. Keys and values are rows at the bottleneck's size, made by a convolution whose kernel is its
    stride; the norms, queries, keys and values are shared by all rows, and each has an MLP of its own, at its
    own width. Where a token is, only the depthwise convolution of the MLP sees, so any image size will do.

    Args:
        layers: Of the bridge.
        channels: Width of a token, which must divide that of every row; ``None`` takes the largest that does.
        heads: Of the attention.
        identity_init: Start as the plain skip: the last layers of attention and MLPs are zero.

    Raises:
        ValueError: If a row is no multiple of ``channels``, or ``channels`` none of ``heads``.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        layers: int = 4,
        channels: int | None = None,
        heads: int = 1,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        widths = [row.channels for row in encoder]
        width = gcd(*widths) if channels is None else channels
        if any(c % width for c in widths) or width % heads:
            raise ValueError(
                f"rows of {widths} channels cannot be cut into tokens of {width} with {heads} heads; choose "
                "skip.channels and skip.heads that divide them"
            )
        self.layers = nn.Sequential(*(_Layer(encoder, width, heads, identity_init) for _ in range(layers)))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same shapes."""
        out: list[Tensor] = self.layers(features)
        return out


class _Layer(nn.Module):
    def __init__(self, rows: Sequence[Level], width: int, heads: int, zero_init: bool) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.reduce = nn.ModuleList(_reduce(row, rows[-1]) for row in rows)
        self.norm_reduced = nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.mlps = nn.ModuleList(MixFFN(len(row.stride), row.channels) for row in rows)
        if zero_init:
            for last in (self.out, *(mlp.down for mlp in self.mlps)):
                for parameter in last.parameters():  # type: ignore[union-attr]
                    nn.init.zeros_(parameter)

    def forward(self, rows: list[Tensor]) -> list[Tensor]:
        first, second = self.norms
        tokens = [self.tokens(x) for x in rows]
        normed = [first(t) for t in tokens]
        reduced = [
            t if isinstance(reduce, nn.Identity) else self.tokens(reduce(self.maps(t, x)))
            for reduce, t, x in zip(self.reduce, normed, rows, strict=True)
        ]
        k, v = map(self.split, self.key_value(self.norm_reduced(torch.cat(reduced, 1))).chunk(2, -1))
        # one row's queries at a time are what all of them at once would be, without joining and cutting
        found = [x + self.maps(self.attend(t, k, v), x) for t, x in zip(normed, rows, strict=True)]
        return [
            x + mlp(self.maps(second(self.tokens(x)), x)) for mlp, x in zip(self.mlps, found, strict=True)
        ]

    def attend(self, tokens: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, N, C) and two of (B, heads, M, C / heads) to (B, N, C)."""
        found = F.scaled_dot_product_attention(self.split(self.query(tokens)), k, v)
        out: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return out

    def tokens(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, N, width), as many tokens per pixel as its channels make."""
        return x.movedim(1, -1).reshape(x.shape[0], -1, self.width)

    def maps(self, tokens: Tensor, like: Tensor) -> Tensor:
        """The way back."""
        return tokens.reshape(like.movedim(1, -1).shape).movedim(-1, 1)

    def split(self, x: Tensor) -> Tensor:
        """(B, N, heads * C) to (B, heads, N, C)."""
        return torch.unflatten(x, 2, (self.heads, -1)).transpose(1, 2)


def _reduce(row: Level, bottleneck: Level) -> nn.Module:
    factor = ratio(bottleneck.stride, row.stride)
    if max(factor) == 1:
        return nn.Identity()
    return conv(len(factor), row.channels, row.channels, factor, stride=factor)
