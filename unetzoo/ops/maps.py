"""Maps as the kernels take them: (B, C, *size) with pixels or with channels as neighbours in memory."""

import ctypes
from collections.abc import Sequence

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


def empty_maps(like: Tensor, shape: Sequence[int], last: bool) -> Tensor:
    """(B, C, *size) in that order of memory, of the type of ``like``."""
    batch, channels, *size = shape
    return like.new_empty(batch, *size, channels).movedim(-1, 1) if last else like.new_empty(*shape)


def size_of(x: Tensor, last: bool) -> Size:
    """The sizes of (B, C, *size)."""
    batch, channels = x.shape[:2]
    return Size(batch, channels, x[0, 0].numel(), last)
