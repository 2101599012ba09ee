"""Maps as the kernels take them: (B, C, *size) with pixels or with channels as neighbours in memory."""

import ctypes

import torch
from torch import Tensor

__all__ = ["Size", "channels_last", "dense", "empty_maps", "size_of"]


class Size(ctypes.Structure):
    """``unetzoo_maps`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "channels", "pixels")),
        ("channels_last", ctypes.c_int32),
    ]


def channels_last(x: Tensor) -> bool:
    """Whether the channels of a pixel are neighbours in memory."""
    return not x.is_contiguous() and x.movedim(1, -1).is_contiguous()


def dense(x: Tensor, last: bool) -> Tensor:
    """(B, C, *size) as it is to lie in memory: the same, or (B, *size, C)."""
    return (x.movedim(1, -1) if last else x).contiguous()


def empty_maps(x: Tensor, channels: int, last: bool) -> Tensor:
    """(B, channels, *size) of the size of ``x``, in that order of memory."""
    batch, _, *size = x.shape
    return x.new_empty(batch, *size, channels).movedim(-1, 1) if last else x.new_empty(batch, channels, *size)


def size_of(x: Tensor, last: bool) -> Size:
    """The sizes of (B, C, *size)."""
    batch, channels = x.shape[:2]
    return Size(batch, channels, x[0, 0].numel(), last)
