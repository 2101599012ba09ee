"""What surrounds the recurrence: the order of tokens, groups of channels, step widths."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["grouped", "in_memory", "in_order", "step_widths"]


def in_order(tokens: Tensor, fast: int, apart: int) -> Tensor:
    """(B, L, ...) as they lie to (B, L, ...) as the scan meets them.

    Tokens lie as (L / (fast apart), fast, apart); the scan runs along ``fast``, then along ``apart``.
    """
    return _swapped(tokens, fast, apart)


def in_memory(tokens: Tensor, fast: int, apart: int) -> Tensor:
    """The inverse of `in_order`."""
    return _swapped(tokens, apart, fast)


def _swapped(tokens: Tensor, first: int, second: int) -> Tensor:
    if isinstance(second, int) and second == 1:
        return tokens
    return torch.unflatten(tokens, 1, (-1, first, second)).transpose(2, 3).flatten(1, 3)


def grouped(tokens: Tensor, groups: int) -> Tensor:
    """(B, L, D) to (B, L, G, D / G)."""
    return torch.unflatten(tokens, 2, (groups, -1))


def step_widths(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    """``softplus(delta + bias)``, or less of it."""
    delta = delta if bias is None else delta + bias
    return F.softplus(delta) if softplus else delta
