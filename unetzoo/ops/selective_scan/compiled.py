"""The scan in compiled code."""

import ctypes

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["backward", "forward", "takes"]

PARTS = 4
MOST_STATES = 256


def takes(u: Tensor, A: Tensor) -> bool:
    """Whether there is a kernel for this."""
    fits = u.device.type == "cpu" and u.dtype == torch.float32 and A.shape[-1] <= MOST_STATES
    return fits and u.numel() > 0 and native.library() is not None


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
    """As `segments.forward`."""
    u, delta, A, B, C = (t.contiguous() for t in (u, delta, A, B, C))
    y, starts = torch.empty_like(u), u.new_empty(_segments(u), u.shape[0], *A.shape)
    _call("unetzoo_scan_forward", (u, delta, A, B, C, y, starts), u, A, reverse)
    return y, starts


def backward(
    dy: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """As `segments.backward`."""
    dy, u, delta, A, B, C = (t.contiguous() for t in (dy, u, delta, A, B, C))
    du, ddelta = torch.empty_like(u), torch.empty_like(u)
    dA = u.new_empty(u.shape[0], *A.shape)
    dB, dC = (u.new_empty(PARTS, *B.shape) for _ in "BC")
    tensors = (dy, u, delta, A, B, C, starts, du, ddelta, dA, dB, dC)
    _call("unetzoo_scan_backward", tensors, u, A, reverse, PARTS)
    return du, ddelta, dA.sum(0), dB.sum(0), dC.sum(0)


def _segments(u: Tensor) -> int:
    return (u.shape[1] + STEPS - 1) // STEPS


def _call(name: str, tensors: tuple[Tensor, ...], u: Tensor, A: Tensor, reverse: bool, *first: int) -> None:
    sizes = (*first, *u.shape, A.shape[-1], STEPS)
    library = native.library()
    assert library is not None
    failed = getattr(library, name)(
        *native.addresses(*tensors),
        *map(ctypes.c_int64, sizes),
        ctypes.c_int32(reverse),
        ctypes.c_int32(native.threads()),
    )
    if failed:
        raise ValueError(f"{name} refuses sizes {sizes}")
