"""What surrounds the recurrence: the order of tokens, groups of channels, step widths."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["grouped", "in_memory", "in_order", "step_widths", "surrounded"]


def surrounded(
    recurrence: Callable[..., tuple[Tensor, Any]],
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    reverse: bool,
    fast: int,
    apart: int,
) -> tuple[Tensor, Any]:
    """The whole operation from its recurrence, `scan_step_by_step`, and what else the recurrence returns."""
    groups = B.shape[2]
    met, steps = (grouped(in_order(t, fast, apart), groups) for t in (u, step_widths(delta, bias, softplus)))
    into, read = (in_order(t, fast, apart) for t in (B, C))
    y, other = recurrence(met, steps, torch.unflatten(A, 0, (groups, -1)), into, read, reverse)
    y = in_memory(y.flatten(2), fast, apart)
    y = y if D is None else y + D * u
    return y if z is None else y * F.silu(z), other


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
