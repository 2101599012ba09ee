"""The decoder attends to its own tokens and the encoder's."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import mean_pool, resize
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["SkipAttention"]


class SkipAttention(SkipPathway):
    """Let every decoder row read the skip as a memory, beside itself.

    Queries come from the decoder's feature; keys and values from it and from the skip together, so that one
    softmax decides between the two. After skip-layer attention (2024, arXiv:2406.11274), where a
    layer of a language model attends to an earlier one too; images and the number of tokens are ours. Keys
    are pooled to the bottleneck's grid, queries to that of the deepest skip where their row is finer, so the
    cost of every row is the same and any image size will do. Tokens carry no position.

    Args:
        heads: Number of attention heads.
        head_channels: Channels of each.
        split: Half of the heads read the decoder, the other half the skip, which costs no more than attending
            to oneself.
        keep: Also concatenate the skip; false leaves it a memory, as in the paper, at the grid of its keys.
        identity_init: Start as the plain skip: what is read is multiplied by zero.

    Raises:
        ValueError: If heads cannot be halved, or ``identity_init`` has no skip to start from.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        heads: int = 4,
        head_channels: int = 16,
        split: bool = False,
        keep: bool = True,
        identity_init: bool = False,
    ) -> None:
        if split and heads % 2:
            raise ValueError(f"split=true gives half of the heads to each, and heads={heads} is odd")
        if identity_init and not keep:
            raise ValueError("identity_init=true starts as the plain skip, which keep=false leaves out")
        read = partial(
            _Read,
            queries=encoder[-2],
            keys=encoder[-1],
            heads=heads,
            head_channels=head_channels,
            split=split,
            keep=keep,
            zero_init=identity_init,
        )
        super().__init__(encoder, decoder, merge=read)


class _Read(Merge):
    def __init__(
        self,
        skip: Level,
        gate: Gate,
        *,
        queries: Level,
        keys: Level,
        heads: int,
        head_channels: int,
        split: bool,
        keep: bool,
        zero_init: bool,
    ) -> None:
        super().__init__()
        self.channels = gate.channels + (skip.channels if keep else 0)
        self.split, self.keep, self.head_channels = split, keep, head_channels
        finer, width = ratio(queries.stride, gate.stride), heads * head_channels
        self.to_queries, self.to_row = mean_pool(finer), resize(finer)
        self.to_keys = mean_pool(ratio(keys.stride, gate.stride))
        self.query = nn.Sequential(nn.LayerNorm(gate.channels), nn.Linear(gate.channels, width))
        each = 2 * (width // 2 if split else width)  # keys and values
        self.own = nn.Sequential(nn.LayerNorm(gate.channels), nn.Linear(gate.channels, each))
        self.memory = nn.Sequential(nn.LayerNorm(skip.channels), nn.Linear(skip.channels, each))
        self.out = nn.Linear(width, gate.channels)
        if zero_init:
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    def read(self, skip: Tensor, gate: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to what the decoder reads, (B, D, *size)."""
        at = self.to_queries(gate)
        q = self._heads(self.query(_tokens(at)))  # (B, heads, N, C)
        own, memory = self.own(_tokens(self.to_keys(gate))), self.memory(_tokens(self.to_keys(skip)))
        # jointly the tokens follow each other, split the heads do
        k, v = (
            torch.cat([self._heads(a), self._heads(b)], 1 if self.split else 2)
            for a, b in zip(own.chunk(2, -1), memory.chunk(2, -1), strict=True)
        )
        found = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = self.to_row(self.out(found).transpose(1, 2).reshape_as(at))
        return out

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        gate = gate + self.read(skip, gate)
        return torch.cat([skip, gate], 1) if self.keep else gate

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, heads * C) to (B, heads, N, C)."""
        return x.reshape(*x.shape[:2], -1, self.head_channels).transpose(1, 2)


def _tokens(x: Tensor) -> Tensor:
    """(B, C, *size) to (B, N, C)."""
    return x.flatten(2).transpose(1, 2)
