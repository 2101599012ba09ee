"""The sum of maps weighed channel by channel."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.ops import native
from unetzoo.ops.dispatch import kernel_wins
from unetzoo.ops.maps import Size, channels_last, dense, empty_maps, size_of
from unetzoo.ops.sk_merge.reference import sk_by_definition

__all__ = ["sk_by_definition", "sk_merge"]

_MOST_MAPS = 4


def sk_merge(maps: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The sum of maps times their weights, each map read once.

    The end of a selective kernel (Li et al. 2019, arXiv:1903.06586, eq. 6).

    Args:
        maps: K of (B, C, *size).
        weights: (K, B, C, 1, ...), which sum to 1 over the maps.

    Returns:
        (B, C, *size).

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(maps, weights)
    # a compiler fuses the definition by itself, and an exported graph has standard operators alone
    if torch.compiler.is_compiling() or len({t.dtype for t in (*maps, weights)}) > 1:
        return sk_by_definition(maps, weights)
    if 2 <= len(maps) <= _MOST_MAPS and kernel_wins("sk_merge", *maps, weights):
        merged: Tensor = _merge(list(maps), weights)
        return merged
    if len(maps) == 2:
        return torch.lerp(maps[1], maps[0], weights[0])
    return sk_by_definition(maps, weights)


def _check(maps: Sequence[Tensor], weights: Tensor) -> None:
    per_channel = (len(maps), *maps[0].shape[:2], *[1] * (maps[0].dim() - 2)) if maps else ()
    # sizes of an exported graph are symbols, which can be compared and not be hashed
    if not maps or any(x.shape != maps[0].shape for x in maps) or weights.shape != per_channel:
        raise ValueError(
            "maps must be K of (B, C, *size) and weights (K, B, C, 1, ...), got maps of "
            f"{[tuple(x.shape) for x in maps]} and weights {tuple(weights.shape)}"
        )


class _Problem(ctypes.Structure):
    """``unetzoo_sk`` of kernels/src/unetzoo_kernels.h."""

    _fields_ = [
        ("maps", ctypes.POINTER(ctypes.c_void_p)),
        ("weights", ctypes.c_void_p),
        ("size", Size),
        ("count", ctypes.c_int32),
        ("threads", ctypes.c_int32),
    ]


def _pointers(maps: list[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(maps))(*native.addresses(*maps))


def _problem(maps: list[Tensor], weights: Tensor, size: Size) -> _Problem:
    return _Problem(_pointers(maps), *native.addresses(weights), size, len(maps), native.threads())


@torch.library.custom_op("unetzoo::sk_merge", mutates_args=())
def _merge(maps: list[Tensor], weights: Tensor) -> Tensor:
    first, last = maps[0], channels_last(maps[0])
    out = empty_maps(first, first.shape, last)
    maps, weights = [dense(x, last) for x in maps], weights.contiguous()
    native.call("unetzoo_sk_forward", _problem(maps, weights, size_of(first, last)), dense(out, last))
    return out


@_merge.register_fake
def _(maps: list[Tensor], weights: Tensor) -> Tensor:
    return empty_maps(maps[0], maps[0].shape, channels_last(maps[0]))


@torch.library.custom_op("unetzoo::sk_merge_backward", mutates_args=())
def _merge_backward(dout: Tensor, maps: list[Tensor], weights: Tensor) -> list[Tensor]:
    first, last = maps[0], channels_last(maps[0])
    maps, weights = [dense(x, last) for x in maps], weights.contiguous()
    dmaps, dweights = [empty_maps(first, first.shape, last) for _ in maps], torch.empty_like(weights)
    problem, gradients = _problem(maps, weights, size_of(first, last)), [dense(d, last) for d in dmaps]
    native.call("unetzoo_sk_backward", problem, dense(dout, last), _pointers(gradients), dweights)
    return [*dmaps, dweights]


@_merge_backward.register_fake
def _(dout: Tensor, maps: list[Tensor], weights: Tensor) -> list[Tensor]:
    last = channels_last(maps[0])
    return [*(empty_maps(maps[0], maps[0].shape, last) for _ in maps), weights.new_empty(weights.shape)]


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    maps, weights = inputs
    ctx.save_for_backward(*maps, weights)


def _differentiate(ctx, dout: Tensor) -> tuple[list[Tensor], Tensor]:  # type: ignore[no-untyped-def]
    *maps, weights = ctx.saved_tensors
    *dmaps, dweights = _merge_backward(dout, maps, weights)
    return dmaps, dweights


_merge.register_autograd(_differentiate, setup_context=_keep)
