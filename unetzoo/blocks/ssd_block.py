"""Mamba-2: a gated state space whose decay is one number per head, by matrix products."""

from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.mamba import CausalConv
from unetzoo.blocks.state_space import step_biases
from unetzoo.ops import ssd

__all__ = ["SSDBlock"]


class SSDBlock(nn.Module):
    """The block of Mamba-2, also a mixer for `MambaLayer` (Dao & Gu 2024, arXiv:2405.21060, sec. 7).

    Gate, input, both projections of the state and the step widths come from one layer at its start. Causal
    convolution and SiLU follow, on all but gate and steps, then state space duality, gate, norm, projection.

    Args:
        channels: Width of the tokens.
        state: Numbers that each inner channel remembers.
        kernel: Tokens that the convolution sees, its own included.
        expand: Inner channels per channel.
        head: Inner channels that share a decay and a step width; where they do not divide the inner ones, the
            largest number that divides both.
    """

    def __init__(
        self, channels: int, *, state: int = 64, kernel: int = 4, expand: int = 2, head: int = 64
    ) -> None:
        super().__init__()
        inner = expand * channels
        self.head = gcd(head, inner)
        heads = inner // self.head
        self.sizes, self.inner_sizes = (inner, inner + 2 * state, heads), [inner, state, state]
        self.into = nn.Linear(channels, sum(self.sizes), bias=False)
        self.conv = CausalConv(inner + 2 * state, kernel)
        self.step_bias = nn.Parameter(step_biases(heads))
        self.log_decay = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.bypass = nn.Parameter(torch.ones(heads))
        for parameter in (self.step_bias, self.log_decay, self.bypass):
            parameter.no_weight_decay = True  # type: ignore[attr-defined]
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out = nn.Linear(inner, channels, bias=False)

    def forward(self, x: Tensor, *, reverse: bool = False) -> Tensor:
        """Tokens (B, L, C) to the same, each of what came before it; ``reverse`` starts at the end."""
        z, x, steps = self.into(x).split(self.sizes, -1)
        mixed = F.silu(self.conv(x, reverse=reverse))
        u, into, out = torch.split(mixed, self.inner_sizes, -1)
        y = ssd(
            torch.unflatten(u, -1, (-1, self.head)),
            steps,
            -torch.exp(self.log_decay.float()),
            into,
            out,
            self.bypass,
            torch.unflatten(z, -1, (-1, self.head)),
            self.step_bias,
            delta_softplus=True,
            reverse=reverse,
        )
        # under autocast the norm's weight stays in float32, and so must what it meets
        back: Tensor = self.out(self.norm(y.flatten(2).to(self.norm.weight.dtype)))
        return back
