"""Attention along the axes through each pixel."""

import torch
from torch import Tensor, nn

from unetzoo.blocks.context import Context
from unetzoo.levels import Level
from unetzoo.nd import conv, conv_unit

__all__ = ["CrissCross", "RecurrentCrissCross"]


class CrissCross(nn.Module):
    """Every pixel attends to its own row and column, in 3D to its three axes.

    ``x + gamma * sum over a of softmax(query . key_a) value_a`` with one softmax for all axes, in which the
    pixel itself counts once; Huang et al. 2019, "CCNet", arXiv:1811.11721, sec. 3.2. Memory grows with pixels
    times the sum of the axes, where full attention grows with their square; two rounds reach every pixel, in
    3D three.

    Args:
        reduction: Channels of queries and keys are ``channels // reduction``, one at least.
        identity_init: ``gamma`` starts at zero, as in the paper; otherwise at 1.
    """

    def __init__(self, ndim: int, channels: int, *, reduction: int = 8, identity_init: bool = True) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.query, self.key = conv(ndim, channels, inner), conv(ndim, channels, inner)
        self.value = conv(ndim, channels, channels)
        self.gamma = nn.Parameter(torch.zeros(1) if identity_init else torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        q, k, v = (layer(x).movedim(1, -1) for layer in (self.query, self.key, self.value))  # (B, *size, C)
        lengths = x.shape[2:]
        found, start = torch.zeros_like(v), 0
        weights = self.weights(q, k)
        for axis, length in enumerate(lengths, 1):
            along = weights.narrow(-1, start, length).to(v.dtype)
            found = found + (along.movedim(axis, -2) @ v.movedim(axis, -2)).movedim(-2, axis)
            start = start + length
        return x + self.gamma * found.movedim(-1, 1)

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        """Queries and keys (B, *size, C) to attention (B, *size, sum of size), one axis after the other."""
        scores = []
        for axis in range(1, q.dim() - 1):
            s = q.movedim(axis, -2) @ k.movedim(axis, -2).mT  # (B, *others, at, from)
            if axis < q.dim() - 2:
                # the last axis alone keeps the pixel itself
                at = torch.arange(q.shape[axis], device=q.device)
                s = s.masked_fill(at.unsqueeze(1) == at, torch.finfo(s.dtype).min)
            scores.append(s.movedim(-2, axis))
        return torch.cat(scores, -1).softmax(-1)


class RecurrentCrissCross(Context):
    """Criss-cross attention in rounds that share their weights, between convolutions (RCCA).

    ``3x3([x, 3x3(attention(attention(3x3(x))))])`` with norms, the head of Huang et al. 2019, "CCNet",
    arXiv:1811.11721, fig. 2, as what a decoder sends the bottleneck through.

    Args:
        channels: Width of the output.
        rounds: How often the attention is applied; ``None`` is once per axis, which connects every pixel with
            every other.
        reduction: Channels within are the bottleneck's divided by this, one at least.
        dropout: Probability of zeroing a value of the output.
    """

    def __init__(
        self,
        level: Level,
        *,
        channels: int = 512,
        rounds: int | None = None,
        reduction: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        ndim, width, self.channels = len(level.stride), level.channels, channels
        self.rounds = ndim if rounds is None else rounds
        inner = max(1, width // reduction)
        self.enter = nn.Sequential(*conv_unit(ndim, width, inner, activation_name=None))
        self.attention = CrissCross(ndim, inner)
        self.leave = nn.Sequential(*conv_unit(ndim, inner, inner, activation_name=None))
        self.join = nn.Sequential(*conv_unit(ndim, width + inner, channels), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        found = self.enter(x)
        for _ in range(self.rounds):
            found = self.attention(found)
        out: Tensor = self.join(torch.cat([x, self.leave(found)], 1))
        return out
