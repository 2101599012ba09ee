"""The compiled selective scan as ctypes sees it."""

import ctypes
from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["is_there", "parts_of", "run_backward", "run_forward", "starts_shape", "sum_of_parts", "takes"]

LANES, FEW, MANY = 16, 4, 8
_POINTER, _SIZE, _FLAG = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
_TENSORS = ("u", "delta", "z", "A", "B", "C", "D", "bias", "low", "expand")
_SIZES = ("batch", "length", "groups", "width", "state", "rank", "row", "steps", "fast", "apart")
_FLAGS = ("softplus", "reverse", "threads", "accumulate")


class _Scan(ctypes.Structure):
    """``unetzoo_scan`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, _POINTER) for name in _TENSORS),
        *((name, _SIZE) for name in _SIZES),
        *((name, _FLAG) for name in _FLAGS),
    ]


class _Gradients(ctypes.Structure):
    """``unetzoo_scan_gradients`` of the same header."""

    _fields_ = [*((name, _POINTER) for name in _TENSORS), ("parts", _SIZE)]


def takes(u: Tensor) -> bool:
    """Whether there is a kernel for this."""
    fits = u.device.type == "cpu" and u.dtype == torch.float32 and u.numel() > 0
    return fits and is_there()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def is_there() -> bool:
    """Whether there is a kernel for sequences on a processor."""
    return native.library() is not None


def starts_shape(u: Tensor, state: int) -> tuple[int, ...]:
    """Of what the backward pass needs: (segments, B, D, N), though in an order of the kernel's own."""
    batch, length, channels = u.shape
    return (length + STEPS - 1) // STEPS, batch, channels, state


def parts_of(batch: int, groups: int, width: int) -> int:
    """Into how many parts channels are cut in the backward pass, by sizes alone: threads change no bit.

    Parts keep threads busy, and each has sums over its channels to write.
    """
    blocks, items = (width + LANES - 1) // LANES, batch * groups
    return min(blocks, max(-(-FEW // items), min(MANY // items, blocks // MANY)))


def sum_of_parts(parts: Tensor) -> Tensor:
    """Their sum, in place: (parts, ...) to (...)."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def run_forward(fields: dict[str, Any], y: Tensor, starts: Tensor) -> None:
    """The scan that the fields of ``unetzoo_scan`` describe, into ``y`` and ``starts``."""
    native.call("unetzoo_scan_forward", _scan(fields), y, starts)


def run_backward(
    fields: dict[str, Any], dy: Tensor, starts: Tensor, gradients: dict[str, int], parts: int
) -> None:
    """Into the gradients at these addresses."""
    into = _Gradients(**gradients, parts=parts)
    native.call("unetzoo_scan_backward", _scan(fields), dy, starts, into)


def _scan(fields: dict[str, Any]) -> ctypes.Structure:
    return _Scan(**fields, steps=STEPS, threads=native.threads())
