"""Skip and decoder weighed against each other in every pixel and channel."""

import ctypes

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.dispatch import kernel_wins
from unetzoo.ops.maps import Size, channels_last, dense, empty_maps, size_of
from unetzoo.ops.mfms_merge.reference import mfms_by_definition

__all__ = ["mfms_by_definition", "mfms_merge"]


def mfms_merge(pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, *, gain: float = 2.0) -> Tensor:
    """``gain (w skip + (1 - w) gate)`` with ``w = sigmoid(pixels + whole)``, every map read and written once.

    The end of AFF (Dai et al. 2021, arXiv:2009.14082, eq. 3 and 4) and of MFMS (Cao et al. 2025,
    arXiv:2410.05624). The kernel keeps nothing but its inputs for the backward pass.

    Args:
        pixels: (B, C, *size), logits of every pixel.
        whole: (B, C, 1, ...), logits of the whole map.
        skip: (B, C, *size).
        gate: (B, C, *size).
        gain: 2 adds undecided maps, 1 averages them.

    Returns:
        (B, C, *size).

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(pixels, whole, skip, gate)
    # a compiler fuses the definition by itself, and an exported graph has standard operators alone
    if torch.compiler.is_compiling() or not kernel_wins("mfms_merge", skip, gate, pixels, whole):
        return mfms_by_definition(pixels, whole, skip, gate, gain)
    merged: Tensor = _merge(pixels, whole, skip, gate, gain)
    return merged


def _check(pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor) -> None:
    per_channel = (*skip.shape[:2], *[1] * (skip.dim() - 2))
    if not pixels.shape == skip.shape == gate.shape or whole.shape != per_channel:
        given = ", ".join(str(tuple(t.shape)) for t in (pixels, whole, skip, gate))
        raise ValueError(f"pixels, skip and gate must be (B, C, *size) and whole (B, C, 1, ...), got {given}")


class _Problem(ctypes.Structure):
    """``unetzoo_mfms`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("pixels", "skip", "gate", "whole")),
        ("size", Size),
        ("gain", ctypes.c_float),
        ("threads", ctypes.c_int32),
    ]


class _Gradients(ctypes.Structure):
    """``unetzoo_mfms_gradients``."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("pixels", "skip", "gate", "whole")]


def _problem(maps: list[Tensor], whole: Tensor, size: Size, gain: float) -> _Problem:
    return _Problem(*native.addresses(*maps, whole), size, gain, native.threads())


@torch.library.custom_op("unetzoo::mfms_merge", mutates_args=())
def _merge(pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, gain: float) -> Tensor:
    last = channels_last(skip)
    maps, whole = [dense(t, last) for t in (pixels, skip, gate)], whole.contiguous()
    out = empty_maps(skip, skip.shape, last)
    native.call("unetzoo_mfms_forward", _problem(maps, whole, size_of(skip, last), gain), dense(out, last))
    return out


@_merge.register_fake
def _(pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, gain: float) -> Tensor:
    return empty_maps(skip, skip.shape, channels_last(skip))


@torch.library.custom_op("unetzoo::mfms_merge_backward", mutates_args=())
def _merge_backward(
    dout: Tensor, pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, gain: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    last = channels_last(skip)
    maps, whole = [dense(t, last) for t in (pixels, skip, gate)], whole.contiguous()
    dmaps, dwhole = [empty_maps(skip, skip.shape, last) for _ in maps], torch.empty_like(whole)
    gradients = _Gradients(*native.addresses(*(dense(d, last) for d in dmaps), dwhole))
    problem = _problem(maps, whole, size_of(skip, last), gain)
    native.call("unetzoo_mfms_backward", problem, dense(dout, last), gradients)
    dpixels, dskip, dgate = dmaps
    return dpixels, dwhole, dskip, dgate


@_merge_backward.register_fake
def _(
    dout: Tensor, pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, gain: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dpixels, dskip, dgate = (empty_maps(skip, skip.shape, channels_last(skip)) for _ in range(3))
    return dpixels, whole.new_empty(whole.shape), dskip, dgate


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.gain = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx, dout: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    return (*_merge_backward(dout, *ctx.saved_tensors, ctx.gain), None)


_merge.register_autograd(_differentiate, setup_context=_keep)
