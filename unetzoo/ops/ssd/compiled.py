"""State space duality as ctypes sees it."""

import ctypes
from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.scan_kernel import sum_of_parts
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["backward", "forward", "starts_shape"]

PARTS = 4
_POINTER, _SIZE, _FLAG = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_TENSORS = ("u", "delta", "A", "B", "C", "D", "bias")
_SIZES = ("batch", "length", "heads", "channels", "state", "steps")
_FLAGS = ("softplus", "reverse", "threads")


class _Ssd(ctypes.Structure):
    """``unetzoo_ssd`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, _POINTER) for name in _TENSORS),
        *((name, _SIZE) for name in _SIZES),
        *((name, _FLAG) for name in _FLAGS),
    ]


class _Gradients(ctypes.Structure):
    """``unetzoo_ssd_gradients`` of the same header."""

    _fields_ = [*((name, _POINTER) for name in _TENSORS), ("parts", _SIZE)]


def starts_shape(u: Tensor, B: Tensor) -> tuple[int, ...]:
    """Of the states between segments: u is (B, L, H, P) and B is (B, L, N)."""
    batch, length, heads, channels = u.shape
    return (length + STEPS - 1) // STEPS, batch, heads, B.shape[2], channels


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """(B, L, H, P), and the states between segments for the backward pass.

    Args:
        inputs: u, delta, A, B, C, D, bias, softplus, reverse.
    """
    *tensors, softplus, reverse = inputs
    made = [t.contiguous() for t in tensors]
    u, B = made[0], made[3]
    y, starts = torch.empty_like(u), u.new_empty(starts_shape(u, B))
    native.call("unetzoo_ssd_forward", _problem(made, softplus, reverse), y, starts)
    return y, starts


def backward(dy: Tensor, *inputs: Any) -> tuple[Tensor, ...]:
    """Gradients of the seven tensors.

    Args:
        dy: (B, L, H, P).
        inputs: u, delta, A, B, C, D, bias, starts, softplus, reverse.
    """
    *tensors, starts, softplus, reverse = inputs
    made = [t.contiguous() for t in tensors]
    batch, _, heads, _ = made[0].shape
    parts = min(heads, -(-PARTS // batch))  # by sizes alone: threads change no bit
    grads = {name: torch.empty_like(t) for name, t in zip(_TENSORS, made, strict=True)}
    grads |= {name: made[0].new_empty(parts, *grads[name].shape) for name in "BC"}
    grads |= {name: made[0].new_empty(batch, heads) for name in ("A", "D", "bias")}
    into = _Gradients(**native.pointers(grads), parts=parts)
    problem = _problem(made, softplus, reverse)
    native.call("unetzoo_ssd_backward", problem, dy.contiguous(), starts, into)
    grads |= {name: sum_of_parts(grads[name]) for name in "BC"}
    grads |= {name: grads[name].sum(0) for name in ("A", "D", "bias")}
    return tuple(grads[name] for name in _TENSORS)


def _problem(tensors: list[Tensor], softplus: bool, reverse: bool) -> _Ssd:
    batch, length, heads, channels = tensors[0].shape
    sizes = {"batch": batch, "length": length, "heads": heads, "channels": channels}
    fields = native.pointers(dict(zip(_TENSORS, tensors, strict=True))) | sizes
    flags = {"softplus": softplus, "reverse": reverse, "threads": native.threads()}
    return _Ssd(**fields, **flags, state=tensors[3].shape[2], steps=STEPS)
