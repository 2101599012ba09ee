"""Skips and decoder that read each other through a summary."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["CrossContext"]


class CrossContext(SkipPathway):
    """The mean of the skip attends to the decoder and that of the decoder to the skip; both are told.

    Cross-contextual attention of Att-SwinU-Net (Aghdam et al. 2022, arXiv:2210.16898, sec. 2.3), which is
    CrossViT's between two scales (arXiv:2103.14899): ``depth`` times, in turn, ``c = c + attention(norm(c),
    [norm(c), other's pixels])`` with ``c`` first the mean of all pixels, then concatenation. The released
    code writes ``c`` over the first pixel of each map and leaves it to the blocks behind to spread it
    (``faithful``); here all pixels are told by default, ``x + spread(c)`` with a linear layer of its own.
    ``c`` being a single query, the cost is linear in the number of pixels.

    Args:
        faithful: Write over the first pixel; for decoders whose blocks attend.
        depth: How often each reads the other.
        heads: Of every attention.
        head_dim: Channels per head, whatever the row's width.
        identity_init: Start as the concatenated skip: ``spread`` is zero. Not with ``faithful``.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        faithful: bool = False,
        depth: int = 2,
        heads: int = 8,
        head_dim: int = 64,
        identity_init: bool = False,
    ) -> None:
        if faithful and identity_init:
            raise ValueError(
                "identity_init=true cannot hold with faithful=true, which gives up a pixel; drop one"
            )
        merge = partial(
            _CrossContext,
            faithful=faithful,
            depth=depth,
            heads=heads,
            head_dim=head_dim,
            zero_init=identity_init,
        )
        super().__init__(encoder, decoder, merge=merge)


class _CrossContext(Merge):
    def __init__(
        self,
        skip: Level,
        gate: Gate,
        *,
        faithful: bool,
        depth: int,
        heads: int,
        head_dim: int,
        zero_init: bool,
    ) -> None:
        super().__init__()
        self.channels = skip.channels + gate.channels
        read = partial(_Read, heads=heads, head_dim=head_dim)
        self.by_skip = nn.ModuleList(read(skip.channels, gate.channels) for _ in range(depth))
        self.by_gate = nn.ModuleList(read(gate.channels, skip.channels) for _ in range(depth))
        self.spread = nn.ModuleList(
            nn.Linear(c, c, bias=False) for c in (skip.channels, gate.channels) if not faithful
        )
        if zero_init:
            for layer in self.spread:
                nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to (B, C + D, *size)."""
        s, x = (t.flatten(2).transpose(1, 2) for t in (skip, gate))  # (B, N, C), (B, N, D)
        c_s, c_x = s.mean(1, keepdim=True), x.mean(1, keepdim=True)
        faithful = not len(self.spread)
        if faithful:
            s, x = s[:, 1:], x[:, 1:]
        for by_skip, by_gate in zip(self.by_skip, self.by_gate, strict=True):
            c_x = c_x + by_gate(c_x, s)
            c_s = c_s + by_skip(c_s, x)
        told = (
            [torch.cat([c_s, s], 1), torch.cat([c_x, x], 1)]
            if faithful
            else [t + layer(c) for t, layer, c in zip((s, x), self.spread, (c_s, c_x), strict=True)]
        )
        return torch.unflatten(torch.cat(told, 2).transpose(1, 2), 2, skip.shape[2:])


class _Read(nn.Module):
    """Attention of one token to itself and a context, both of which keys and values are made of.

    With a single query keys and values need not be made for every token: the query is taken through the keys'
    weights, the weighted mean of the context through the values'.

    Args:
        channels: Of the token.
        context: Of the context; the token is brought to it first where they differ.
    """

    def __init__(self, channels: int, context: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        inner, self.heads, self.scale = heads * head_dim, heads, head_dim**-0.5
        self.into = nn.Identity() if channels == context else nn.Linear(channels, context)
        self.norm = nn.LayerNorm(context)
        self.q = nn.Linear(context, inner, bias=False)
        self.kv = nn.Linear(context, 2 * inner, bias=False)
        self.out = nn.Linear(inner, channels)

    def forward(self, token: Tensor, context: Tensor) -> Tensor:
        """(B, 1, C) and (B, N, D) to (B, 1, C)."""
        token = self.norm(self.into(token))
        tokens = torch.cat([token, context], 1)
        # (heads, d, D) each
        keys, values = (torch.unflatten(w, 0, (self.heads, -1)) for w in self.kv.weight.chunk(2))
        query = torch.unflatten(self.q(token), 2, (self.heads, -1)).squeeze(1)  # (B, heads, d)
        query = torch.einsum("bhd,hdc->bhc", query, keys)
        weights = (self.scale * query @ tokens.transpose(1, 2)).softmax(-1)  # (B, heads, 1 + N)
        seen = torch.einsum("bhc,hdc->bhd", weights @ tokens, values)
        out: Tensor = self.out(seen.flatten(1).unsqueeze(1))
        return out
