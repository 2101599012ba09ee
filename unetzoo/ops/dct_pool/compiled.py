"""The pooling in compiled code."""

import ctypes
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.dct_pool.waves import separable_waves

__all__ = ["backward", "forward"]


class _Problem(ctypes.Structure):
    """``unetzoo_waves`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x", "along_rows", "along_columns", "mean_wave")),
        *((name, ctypes.POINTER(ctypes.c_int32)) for name in ("row_wave", "column_wave")),
        *(
            (name, ctypes.c_int64)
            for name in ("maps", "rows", "columns", "row_waves", "column_waves", "waves")
        ),
        ("threads", ctypes.c_int32),
    ]


class _Tables(NamedTuple):
    along_rows: Tensor
    along_columns: Tensor
    mean_wave: Tensor
    row_wave: ctypes.Array[ctypes.c_int32]
    column_wave: ctypes.Array[ctypes.c_int32]


# one entry per size of maps in use; the largest part of an entry is as large as one channel of a map
@lru_cache(maxsize=64)
def _tables(frequencies: tuple[tuple[int, ...], ...], size: tuple[int, ...], period: int | None) -> _Tables:
    rows, columns, row_wave, column_wave = separable_waves(frequencies, size, period, torch.device("cpu"))
    mean = rows[:, row_wave].double() @ columns[column_wave].double() / len(row_wave)
    indices = ctypes.c_int32 * len(row_wave)
    rows, columns, mean = (t.float().contiguous() for t in (rows, columns, mean))
    return _Tables(rows, columns, mean, indices(*row_wave), indices(*column_wave))


def _problem(x: Tensor, frequencies: tuple[tuple[int, ...], ...], period: int | None) -> _Problem:
    tables = _tables(frequencies, tuple(x.shape[2:]), period)
    rows, row_waves = tables.along_rows.shape
    column_waves, columns = tables.along_columns.shape
    sizes = (x.shape[0] * x.shape[1], rows, columns, row_waves, column_waves, len(frequencies))
    return _Problem(*native.addresses(x, *tables[:3]), *tables[3:], *sizes, native.threads())


def forward(x: Tensor, frequencies: tuple[tuple[int, ...], ...], period: int | None) -> tuple[Tensor, Tensor]:
    """The statistics, (3, B, C), and (B, C, 2, K): in which columns the maxima and the minima are."""
    x = x.contiguous()
    statistics = x.new_empty(3, *x.shape[:2])
    at = x.new_empty(*x.shape[:2], 2, len(frequencies), dtype=torch.int32)
    native.call("unetzoo_wave_statistics_forward", _problem(x, frequencies, period), statistics, at)
    return statistics, at


def backward(
    dstatistics: Tensor, x: Tensor, at: Tensor, frequencies: tuple[tuple[int, ...], ...], period: int | None
) -> Tensor:
    """The gradient of x; an extreme that is met twice counts once."""
    x = x.contiguous()
    dx = torch.empty_like(x)
    given = dstatistics.contiguous(), at.contiguous(), dx
    native.call("unetzoo_wave_statistics_backward", _problem(x, frequencies, period), *given)
    return dx
