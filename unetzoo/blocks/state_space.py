"""The selective state space of Mamba along one sequence."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.ops import directional_scan, selective_scan

__all__ = ["StateSpace", "scan_in_place", "scan_together", "step_biases"]

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
        return selective_scan(
            u, *self.terms(u), self.bypass, z, self.steps.bias, delta_softplus=True, reverse=reverse
        )

    def terms(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens (B, L, channels) to step widths, decays, and what leads into the state and out of it."""
        steps, into, out = self.project(u).split(self.sizes, -1)
        return F.linear(steps, self.steps.weight), -torch.exp(self.log_decay.float()), into, out


def scan_together(
    spaces: Sequence[StateSpace], sequences: Sequence[Tensor], *, reverse: bool = False
) -> list[Tensor]:
    """Each state space along its own sequence, all (B, L, channels), in a single scan."""
    steps, decays, into, out = zip(*(s.terms(u) for s, u in zip(spaces, sequences, strict=True)), strict=True)
    y = selective_scan(
        torch.cat([*sequences], -1),
        torch.cat(steps, -1),
        torch.cat(decays),
        torch.stack(into, 2),
        torch.stack(out, 2),
        torch.cat([s.bypass for s in spaces]),
        None,
        torch.cat([s.steps.bias for s in spaces]),
        delta_softplus=True,
        reverse=reverse,
    )
    return [*y.chunk(len(spaces), -1)]


def scan_in_place(
    spaces: Sequence[StateSpace], tokens: Tensor, ways: Sequence[tuple[bool, int, int]]
) -> Tensor:
    """The sum of state spaces that meet the same tokens (B, L, channels), each its own way, copying none.

    The ways are those of `directional_scan`.
    """
    terms = projected(tokens, torch.cat([s.project.weight for s in spaces]))
    return directional_scan(
        tokens,
        torch.unflatten(terms, 2, (len(spaces), -1)),
        torch.stack([s.steps.weight for s in spaces]),
        -torch.exp(torch.stack([s.log_decay for s in spaces]).float()),
        torch.stack([s.bypass for s in spaces]),
        torch.stack([s.steps.bias for s in spaces]),
        ways,
    )


def projected(tokens: Tensor, weight: Tensor) -> Tensor:
    """``F.linear``; a convolution of 1 x 1 takes half of its time on a processor with several threads."""
    if tokens.device.type != "cpu":
        return F.linear(tokens, weight)
    line = tokens.transpose(1, 2).unsqueeze(2)  # with channels last, (B, channels, 1, L)
    return F.conv2d(line, weight[..., None, None]).squeeze(2).transpose(1, 2)


def step_biases(count: int) -> Tensor:
    """Biases whose softplus is spread over the published step widths, log-uniformly: (count,)."""
    low, high = (math.log(s) for s in STEP_RANGE)
    widths = torch.exp(torch.rand(count) * (high - low) + low)
    # the inverse of softplus
    return widths + torch.log(-torch.expm1(-widths))
