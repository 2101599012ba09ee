"""Every head's channels with the head's step width and decay, by the kernel of the selective scan.

On a CPU a state in registers costs less than what chunks multiply besides.
"""

from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native, scan_kernel

__all__ = ["backward", "forward", "starts_shape"]

_FLOAT = 4


def starts_shape(u: Tensor, B: Tensor) -> tuple[int, ...]:
    """Of the states between segments: u is (B, L, H, P) and B is (B, L, N)."""
    return scan_kernel.starts_shape(u.flatten(2), B.shape[2])


def forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    bias: Tensor,
    softplus: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """(B, L, H, P), and the states between segments for the backward pass."""
    made = _prepared(u, delta, A, B, C, D, bias)
    y, starts = torch.empty_like(made["u"]), u.new_empty(starts_shape(u, B))
    scan_kernel.run_forward(_fields(made, delta, B, softplus, reverse), y, starts)
    return y, starts


def backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    bias: Tensor,
    starts: Tensor,
    softplus: bool,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """Gradients of the seven tensors."""
    made = _prepared(u, delta, A, B, C, D, bias)
    batch, heads, state = len(u), len(A), B.shape[2]
    parts = scan_kernel.parts_of(batch, 1, u[0, 0].numel())
    grads = {"u": torch.empty_like(made["u"]), "terms": u.new_empty(parts, *made["terms"].shape)}
    grads |= {name: u.new_empty(batch, *u.shape[2:]) for name in ("A", "D", "bias")}
    fields = _fields(made, delta, B, softplus, reverse)
    scan_kernel.run_backward(fields, dy.contiguous(), starts, _addresses(grads, heads, state), parts)
    dterms = scan_kernel.sum_of_parts(grads["terms"])
    ddelta, dB, dC = (t.clone() for t in torch.split(dterms, [heads, state, state], -1))
    dA, dD, dbias = (grads[name].sum((0, 2)) for name in ("A", "D", "bias"))
    return grads["u"], ddelta, dA, dB, dC, dD, dbias


def _prepared(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """What a token says side by side, and what a head is once per channel."""
    of_heads = {"A": A, "D": D, "bias": bias}
    wide = {name: t.repeat_interleave(u.shape[3]) for name, t in of_heads.items()}
    return {"u": u.contiguous(), "terms": torch.cat([delta, B, C], -1)} | wide


def _fields(
    made: dict[str, Tensor], delta: Tensor, B: Tensor, softplus: bool, reverse: bool
) -> dict[str, Any]:
    batch, length, heads = delta.shape
    state, width = B.shape[2], made["A"].numel()
    sizes = {"batch": batch, "length": length, "groups": 1, "width": width, "state": state, "rank": heads}
    flags = {"softplus": softplus, "reverse": reverse, "one_decay": True}
    order = {"row": heads + 2 * state, "fast": length, "apart": 1}
    return _addresses(made, heads, state) | sizes | order | flags


def _addresses(tensors: dict[str, Tensor], heads: int, state: int) -> dict[str, int]:
    found = native.pointers(tensors)
    low = found.pop("terms")
    return found | {"low": low, "B": low + _FLOAT * heads, "C": low + _FLOAT * (heads + state)}
