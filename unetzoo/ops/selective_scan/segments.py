"""The scan on segments that fit the cache, and its gradient from the states between them.

Decays and states have N times the size of the sequence, so they are made for one segment at a time and
made again in the backward pass; the states at which segments start are all that is kept. Nothing is
divided by a decay, so no decay is too slow or too fast.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.ops.selective_scan.layout import grouped, in_memory, in_order, step_widths, surrounded

__all__ = ["backward", "forward"]

STEPS = 64


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """`surrounded`, with the inputs it lists, and the state each segment starts from.

    Returns:
        y, and (segments, B, D, N) in the order of the scan.
    """
    y, starts = surrounded(_forward, *inputs)
    return y.contiguous(), starts.flatten(2, 3)


def backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    starts: Tensor,
    softplus: bool,
    reverse: bool,
    fast: int,
    apart: int,
) -> tuple[Tensor | None, ...]:
    """Gradients of u, delta, A, B, C, D, z and the bias."""
    groups = B.shape[2]
    width = step_widths(delta, bias, softplus)
    inner = dy if z is None else dy * F.silu(z)
    given, met, steps = (grouped(in_order(t, fast, apart), groups) for t in (inner, u, width))
    into, read = (in_order(t, fast, apart) for t in (B, C))
    decays, states = torch.unflatten(A, 0, (groups, -1)), torch.unflatten(starts, 2, (groups, -1))
    y, du, ddelta, dA, dB, dC = _backward(given, met, steps, decays, into, read, states, reverse)
    du, ddelta = (in_memory(t.flatten(2), fast, apart) for t in (du, ddelta))
    dB, dC = (in_memory(t, fast, apart).contiguous() for t in (dB, dC))
    dz = None
    if z is not None:
        out, opened = in_memory(y.flatten(2), fast, apart), z.sigmoid()
        out = out if D is None else out + D * u
        dz = dy * out * opened * (1 + z * (1 - opened))
    dD = None if D is None else (inner * u).sum((0, 1))
    du = du if D is None else du + D * inner
    if softplus:
        ddelta = ddelta * torch.sigmoid(delta if bias is None else delta + bias)
    dbias = None if bias is None else ddelta.sum((0, 1))
    return du.contiguous(), ddelta.contiguous(), dA.flatten(0, 1), dB, dC, dD, dz, dbias


def _forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """`scan_step_by_step`, and the starts."""
    y, carry, starts = torch.empty_like(u), torch.zeros_like(u[:, 0, ..., None] * A), []
    for part in _parts(u.shape[1], reverse):
        starts.append(carry)
        decay, entering = _terms(u[:, part], delta[:, part], A, B[:, part])
        states = _prefix(decay, entering, carry, reverse)
        y[:, part] = torch.einsum("lbgdn,blgn->blgd", states, C[:, part])
        carry = states[0 if reverse else -1]
    return y, torch.stack(starts)


def _backward(
    dy: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, reverse: bool
) -> tuple[Tensor, ...]:
    """What `_forward` returned first, and the gradients of u, delta, A, B and C.

    With g_t the gradient of the state, ``g_t = C_t dy_t + a_(t+1) g_(t+1)``: the same scan the other way.
    """
    y, du, ddelta, dA, dB, dC = (torch.empty_like(t) for t in (u, u, delta, A, B, C))
    dA.zero_()
    next_decay, next_grad = torch.zeros_like(starts[0]), torch.zeros_like(starts[0])
    first, last = (-1, 0) if reverse else (0, -1)
    for part, start in zip(reversed([*_parts(u.shape[1], reverse)]), reversed(starts.unbind()), strict=True):
        u_, delta_, B_, C_, dy_ = (t[:, part] for t in (u, delta, B, C, dy))
        decay, entering = _terms(u_, delta_, A, B_)
        states = _prefix(decay, entering.clone(), start, reverse)
        y[:, part] = torch.einsum("lbgdn,blgn->blgd", states, C_)
        dC[:, part] = torch.einsum("blgd,lbgdn->blgn", dy_, states)
        passed_on = states.sub_(entering)  # a_t h_(t-1)
        shifted = decay.roll(1 if reverse else -1, 0)
        shifted[last] = next_decay
        grad = dy_.movedim(1, 0)[..., None] * C_.movedim(1, 0)[:, :, :, None]
        grad = _prefix(shifted, grad, next_grad, not reverse)
        by_input = torch.einsum("lbgdn,blgn->blgd", grad, B_)
        du[:, part] = delta_ * by_input
        dB[:, part] = torch.einsum("lbgdn,blgd->blgn", grad, delta_ * u_)
        by_decay = passed_on.mul_(grad)
        ddelta[:, part] = u_ * by_input + torch.einsum("lbgdn,gdn->blgd", by_decay, A)
        dA += torch.einsum("lbgdn,blgd->gdn", by_decay, delta_)
        next_decay, next_grad = decay[first], grad[first]
    return y, du, ddelta, dA, dB, dC


def _parts(length: int, reverse: bool) -> Iterator[slice]:
    """Segments in the order of the scan, counted from where it begins."""
    for start in range(0, length, STEPS):
        end = min(start + STEPS, length)
        yield slice(length - end, length - start) if reverse else slice(start, end)


def _terms(u: Tensor, delta: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Decays and what enters the state, (steps, B, G, D, N) each: a step is then one block of memory."""
    u, delta, B = (t.movedim(1, 0).contiguous() for t in (u, delta, B))
    return (delta[..., None] * A).exp_(), (delta * u)[..., None] * B[:, :, :, None]


def _prefix(decay: Tensor, entering: Tensor, carry: Tensor, reverse: bool) -> Tensor:
    """``h_t = decay_t h_(t-1) + entering_t`` along the first axis, written over ``entering``."""
    steps = range(len(entering))
    if entering.device.type == "cpu":
        for t in reversed(steps) if reverse else steps:
            carry = torch.addcmul(entering[t], decay[t], carry, out=entering[t])
        return entering
    # elsewhere launching is what costs: doubling takes log2 as many launches (Hillis & Steele 1986)
    if reverse:
        return _prefix(decay.flip(0), entering.flip(0), carry, False).flip(0)
    entering[0] += decay[0] * carry
    shift = 1
    while shift < len(steps):
        entering = torch.cat([entering[:shift], entering[shift:] + decay[shift:] * entering[:-shift]])
        decay = torch.cat([decay[:shift], decay[shift:] * decay[:-shift]])
        shift *= 2
    return entering
