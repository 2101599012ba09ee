"""The scan in compiled code."""

import ctypes
from typing import Any

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["backward", "forward", "takes"]

MOST_STATES = 256
TENSORS = ("u", "delta", "z", "A", "B", "C", "D", "bias", "low", "expand")
LANES = 16
ITEMS = 8
_POINTER, _SIZE, _FLAG = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32


class _Scan(ctypes.Structure):
    """``unetzoo_scan`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, _POINTER) for name in TENSORS),
        *((name, _SIZE) for name in ("batch", "length", "groups", "width", "state", "rank", "row")),
        *((name, _SIZE) for name in ("steps", "fast", "apart")),
        *((name, _FLAG) for name in ("softplus", "reverse", "threads", "accumulate")),
    ]


class _Gradients(ctypes.Structure):
    """``unetzoo_scan_gradients`` of the same header."""

    _fields_ = [
        *((name, _POINTER) for name in TENSORS),
        ("parts", _SIZE),
    ]


def takes(u: Tensor, A: Tensor) -> bool:
    """Whether there is a kernel for this."""
    fits = u.device.type == "cpu" and u.dtype == torch.float32 and A.shape[-1] <= MOST_STATES
    return fits and u.numel() > 0 and native.library() is not None


def forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    """As `segments.forward`, with the same arguments; states lie as (N, D) in memory, whatever the shape says."""
    tensors = _contiguous(*inputs[:8])
    y = torch.empty_like(tensors["u"])
    starts = y.new_empty((y.shape[1] + STEPS - 1) // STEPS, y.shape[0], *tensors["A"].shape)
    _call("unetzoo_scan_forward", _scan(tensors, *inputs[8:]), y, starts)
    return y, starts


def backward(dy: Tensor, *inputs: Any) -> tuple[Tensor | None, ...]:
    """As `segments.backward`, with the same arguments."""
    starts, *flags = inputs[8:]
    tensors = _contiguous(*inputs[:8])
    u, B = tensors["u"], tensors["B"]
    batch, groups = u.shape[0], B.shape[2]
    # sums over channels in a number of parts that depends on sizes alone, so that threads change no bit
    blocks = -(-u.shape[2] // groups // LANES)
    parts = max(1, min(blocks, ITEMS // (batch * groups)))
    made = {name: torch.empty_like(t) for name, t in tensors.items() if name in ("u", "delta", "z")}
    made |= {name: u.new_empty(batch, *t.shape) for name, t in tensors.items() if name in ("A", "D", "bias")}
    made |= {name: u.new_empty(parts, *B.shape) for name in "BC"}
    gradients = _Gradients(parts=parts, **_addresses(made))
    scan = _scan(tensors, *flags)
    _call("unetzoo_scan_backward", scan, dy.contiguous(), starts, gradients)
    made |= {name: made[name].sum(0) for name in ("A", "B", "C", "D", "bias") if name in made}
    return tuple(made.get(name) for name in ("u", "delta", "A", "B", "C", "D", "z", "bias"))


def _contiguous(*tensors: Tensor | None) -> dict[str, Tensor]:
    names = ("u", "delta", "A", "B", "C", "D", "z", "bias")
    return {name: t.contiguous() for name, t in zip(names, tensors, strict=True) if t is not None}


def _addresses(tensors: dict[str, Tensor]) -> dict[str, int]:
    return dict(zip(tensors, native.addresses(*tensors.values()), strict=True))


def _scan(
    tensors: dict[str, Tensor], softplus: bool, reverse: bool, fast: int, apart: int
) -> ctypes.Structure:
    batch, length, channels = tensors["u"].shape
    groups, state = tensors["B"].shape[2:]
    sizes = {"batch": batch, "length": length, "groups": groups, "width": channels // groups, "state": state}
    sizes["row"] = groups * state
    order = {"steps": STEPS, "fast": fast, "apart": apart}
    flags = {"softplus": softplus, "reverse": reverse, "threads": native.threads()}
    return _Scan(**_addresses(tensors), **sizes, **order, **flags)


def _call(name: str, scan: ctypes.Structure, *others: Tensor | ctypes.Structure) -> None:
    library = native.library()
    assert library is not None
    pointers = [
        _POINTER(*native.addresses(other)) if isinstance(other, Tensor) else ctypes.byref(other)
        for other in others
    ]
    if getattr(library, name)(ctypes.byref(scan), *pointers):
        sizes = {field: getattr(scan, field) for field, kind in scan._fields_ if kind is _SIZE}  # type: ignore[misc]
        raise ValueError(f"{name} refuses these sizes: {sizes}")
