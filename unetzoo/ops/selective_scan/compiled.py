"""The scan in compiled code."""

from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native, scan_kernel

__all__ = ["backward", "forward", "takes"]

_NAMES = ("u", "delta", "A", "B", "C", "D", "z", "bias")


def takes(u: Tensor, A: Tensor) -> bool:
    """Whether there is a kernel for this."""
    return scan_kernel.takes(u)


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """As `segments.forward`, with the same arguments; the states between segments lie in another order."""
    tensors = _contiguous(*inputs[:8])
    u, B = tensors["u"], tensors["B"]
    y, starts = torch.empty_like(u), u.new_empty(scan_kernel.starts_shape(u, B.shape[3]))
    scan_kernel.run_forward(_fields(tensors, *inputs[8:]), y, starts)
    return y, starts


def backward(dy: Tensor, *inputs: Any) -> tuple[Tensor | None, ...]:
    """As `segments.backward`, with the same arguments."""
    starts, *flags = inputs[8:]
    tensors = _contiguous(*inputs[:8])
    u, B = tensors["u"], tensors["B"]
    batch, groups = u.shape[0], B.shape[2]
    parts = scan_kernel.parts_of(batch, groups, u.shape[2] // groups)
    made = {name: torch.empty_like(t) for name, t in tensors.items() if name in ("u", "delta", "z")}
    made |= {name: u.new_empty(batch, *t.shape) for name, t in tensors.items() if name in ("A", "D", "bias")}
    made |= {name: u.new_empty(parts, *B.shape) for name in "BC"}
    gradients = native.pointers(made)
    scan_kernel.run_backward(_fields(tensors, *flags), dy.contiguous(), starts, gradients, parts)
    made |= {name: scan_kernel.sum_of_parts(made[name]) for name in "BC"}
    made |= {name: made[name].sum(0) for name in ("A", "D", "bias") if name in made}
    return tuple(made.get(name) for name in _NAMES)


def _contiguous(*tensors: Tensor | None) -> dict[str, Tensor]:
    return {name: t.contiguous() for name, t in zip(_NAMES, tensors, strict=True) if t is not None}


def _fields(
    tensors: dict[str, Tensor], softplus: bool, reverse: bool, fast: int, apart: int
) -> dict[str, Any]:
    batch, length, channels = tensors["u"].shape
    groups, state = tensors["B"].shape[2:]
    sizes = {"batch": batch, "length": length, "groups": groups, "width": channels // groups, "state": state}
    order = {"row": groups * state, "fast": fast, "apart": apart}
    return native.pointers(tensors) | sizes | order | {"softplus": softplus, "reverse": reverse}
