"""The selective state space of Mamba along one sequence."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.ops import selective_scan

__all__ = ["StateSpace", "step_biases"]

STEP_RANGE = (1e-3, 1e-1)


class StateSpace(nn.Module):
    """S6: step widths, input and output of the state are made from each token (Gu & Dao 2023, section 3).

    Decays, bypass and step widths start as published and get no weight decay; a model that initialises its
    layers again must leave them alone, or the memory's length is lost (arXiv:2312.00752, section 3.6).

    Args:
        channels: Width of the tokens.
        state: Numbers that each channel remembers, N.
        rank: Of the projection that makes the step widths; a Mamba of width d takes ``ceil(d / 16)``.
    """

    def __init__(self, channels: int, *, state: int = 16, rank: int) -> None:
        super().__init__()
        self.sizes = (rank, state, state)
        self.project = nn.Linear(channels, sum(self.sizes), bias=False)
        self.steps = nn.Linear(rank, channels)
        nn.init.uniform_(self.steps.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            self.steps.bias.copy_(step_biases(channels))
        decays = torch.arange(1, state + 1, dtype=torch.float32).log().repeat(channels, 1)
        self.log_decay, self.bypass = nn.Parameter(decays), nn.Parameter(torch.ones(channels))
        for parameter in (self.log_decay, self.bypass, self.steps.bias):
            parameter.no_weight_decay = True  # type: ignore[attr-defined]

    def forward(self, u: Tensor, z: Tensor | None = None, *, reverse: bool = False) -> Tensor:
        """Tokens (B, L, channels), and a gate of that shape, to the same; ``reverse`` starts at the end."""
        steps, into, out = self.project(u).split(self.sizes, -1)
        return selective_scan(
            u,
            F.linear(steps, self.steps.weight),
            -torch.exp(self.log_decay.float()),
            into,
            out,
            self.bypass,
            z,
            self.steps.bias,
            delta_softplus=True,
            reverse=reverse,
        )


def step_biases(count: int) -> Tensor:
    """Biases whose softplus is spread over the published step widths, log-uniformly: (count,)."""
    low, high = (math.log(s) for s in STEP_RANGE)
    widths = torch.exp(torch.rand(count) * (high - low) + low)
    # the inverse of softplus
    return widths + torch.log(-torch.expm1(-widths))
