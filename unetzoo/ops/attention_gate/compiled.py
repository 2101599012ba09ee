"""The attention gate in compiled code."""

import ctypes
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.maps import Size, channels_last, dense, empty_maps, size_of

__all__ = ["backward", "forward", "forward_projecting"]


class _Problem(ctypes.Structure):
    """``unetzoo_gate`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("skip", "theta", "project", "signal", "psi", "bias")),
        *((name, ctypes.c_void_p) for name in ("row_from", "column_from", "row_weight", "column_weight")),
        ("size", Size),
        *(
            (name, ctypes.c_int64)
            for name in ("inner_channels", "rows", "columns", "ways", "coarse_rows", "coarse_columns")
        ),
        ("gain", ctypes.c_float),
        ("threads", ctypes.c_int32),
    ]


class _Gradients(ctypes.Structure):
    """``unetzoo_gate_gradients``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("skip", "theta", "signal", "psi", "bias")]


class _Lines(NamedTuple):
    """Where lines come from, (lines, ways) each: the indices of coarse lines and their weights."""

    source: Tensor
    weight: Tensor


def _axis(coarse: int, factor: int) -> _Lines:
    """Linear interpolation of an axis whose pixels are areas, as torch does it."""
    if factor == 1:
        return _Lines(torch.arange(coarse)[:, None], torch.ones(coarse, 1))
    source = ((torch.arange(coarse * factor) + 0.5) / factor - 0.5).clamp(min=0)
    first = source.floor()
    part = source - first
    neighbours = torch.stack([first, (first + 1).clamp(max=coarse - 1)], 1)
    return _Lines(neighbours.long(), torch.stack([1 - part, part], 1))


# one entry per size of maps in use, as large as a few of their rows and columns
@lru_cache(maxsize=64)
def _tables(coarse: tuple[int, ...], factor: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sources and weights of rows, which are all axes but the last, then of columns."""
    source, weight = torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1)
    for length, times in zip(coarse[:-1], factor[:-1], strict=True):
        axis = _axis(length, times)
        source = (source[:, None, :, None] * length + axis.source[None, :, None]).flatten(2).flatten(0, 1)
        weight = (weight[:, None, :, None] * axis.weight[None, :, None]).flatten(2).flatten(0, 1)
    columns = _axis(coarse[-1], factor[-1])
    if columns.source.shape[1] == 1:
        columns = _Lines(columns.source.repeat(1, 2), torch.tensor([[1.0, 0.0]]).repeat(coarse[-1], 1))
    return source.int(), columns.source.int().contiguous(), weight.contiguous(), columns.weight.contiguous()


def _problem(
    tensors: dict[str, Tensor], coarse: tuple[int, ...], factor: tuple[int, ...], size: Size, gain: float
) -> _Problem:
    tables = _tables(coarse, factor)
    named = dict(zip(("row_from", "column_from", "row_weight", "column_weight"), tables, strict=True))
    rows, ways = tables[0].shape
    inner = tensors["psi"].numel()
    return _Problem(
        **native.pointers({**tensors, **named}),
        size=size,
        inner_channels=inner,
        rows=rows,
        columns=tables[1].shape[0],
        ways=ways,
        coarse_rows=tensors["signal"].numel() // (size.batch * inner * coarse[-1]),
        coarse_columns=coarse[-1],
        gain=gain,
        threads=native.threads(),
    )


def forward(
    skip: Tensor,
    theta: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: tuple[int, ...],
    gain: float,
) -> Tensor:
    """The gated skip."""
    last = channels_last(skip)
    return _gated(skip, {"theta": dense(theta, last)}, signal, psi, bias, factor, gain)


def forward_projecting(
    skip: Tensor,
    project: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: tuple[int, ...],
    gain: float,
) -> Tensor:
    """The same with theta = project skip, which is never whole in memory."""
    matrix = project.flatten(1)
    matrix = matrix.T if channels_last(skip) else matrix
    return _gated(skip, {"project": matrix.contiguous()}, signal, psi, bias, factor, gain)


def _gated(
    skip: Tensor,
    theta: dict[str, Tensor],
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: tuple[int, ...],
    gain: float,
) -> Tensor:
    last = channels_last(skip)
    tensors = theta | _tensors(skip, signal, psi, bias)
    problem = _problem(tensors, tuple(signal.shape[2:]), factor, size_of(skip, last), gain)
    out = empty_maps(skip, skip.shape, last)
    native.call("unetzoo_gate_forward", problem, dense(out, last))
    return out


def _tensors(skip: Tensor, signal: Tensor, psi: Tensor, bias: Tensor) -> dict[str, Tensor]:
    last = channels_last(skip)
    maps = {"skip": dense(skip, last), "signal": dense(signal, last)}
    return maps | {"psi": psi.contiguous(), "bias": bias.contiguous()}


def backward(
    dout: Tensor,
    skip: Tensor,
    theta: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: tuple[int, ...],
    gain: float,
) -> tuple[Tensor, ...]:
    """Gradients of the skip, theta, the signal, psi and the bias."""
    last = channels_last(skip)
    tensors = {"theta": dense(theta, last)} | _tensors(skip, signal, psi, bias)
    problem = _problem(tensors, tuple(signal.shape[2:]), factor, size_of(skip, last), gain)
    maps = [empty_maps(t, t.shape, last) for t in (skip, theta, signal)]
    dpsi, dbias = torch.empty_like(tensors["psi"]), torch.empty_like(tensors["bias"])
    gradients = _Gradients(*native.addresses(*(dense(t, last) for t in maps), dpsi, dbias))
    native.call("unetzoo_gate_backward", problem, dense(dout, last), gradients)
    return *maps, dpsi, dbias
