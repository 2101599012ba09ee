"""What channel attention sees of a map through many waves at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.ops.dct_pool import compiled
from unetzoo.ops.dct_pool.reference import pool_wave_by_wave
from unetzoo.ops.dct_pool.separable import pool_by_columns
from unetzoo.ops.dct_pool.waves import cosine_basis, separable_waves
from unetzoo.ops.dispatch import kernel_wins

__all__ = ["cosine_basis", "dct_pool", "pool_by_columns", "pool_wave_by_wave", "separable_waves"]


def dct_pool(
    x: Tensor, frequencies: Sequence[Sequence[int]], *, period: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, maximum and minimum of a map times a wave, each averaged over the waves, in one pass over it.

    The squeeze of MADGNet (Nam et al. 2024, CVPR) with waves of a cosine transform, whose mean square is 1.
    Computed in float32, or float64 if ``x`` is, under autocast too.

    Args:
        x: (B, C, *size).
        frequencies: K of one index per axis, each from 0 to 6.
        period: Pixels per half period of frequency 1; ``None`` for as many as an axis has.

    Returns:
        Three of (B, C), of the type of ``x``.

    Raises:
        ValueError: If frequencies do not fit the map.
    """
    listed = tuple(tuple(f) for f in frequencies)
    if not listed or any(len(f) != x.dim() - 2 or not all(0 <= k < 7 for k in f) for f in listed):
        raise ValueError(f"frequencies must be lists of {x.dim() - 2} indices from 0 to 6, got {listed}")
    kind = x.dtype
    x = x.to(torch.float64 if kind == torch.float64 else torch.float32)
    if not torch.compiler.is_exporting() and kernel_wins("dct_pool", x):
        statistics = _pool(x, [index for f in listed for index in f], period)[0]
    else:
        statistics = pool_by_columns(x, listed, period)
    mean, highest, lowest = statistics.to(kind).unbind()
    return mean, highest, lowest


def _listed(x: Tensor, frequencies: list[int]) -> tuple[tuple[int, ...], ...]:
    axes = x.dim() - 2
    return tuple(tuple(frequencies[i : i + axes]) for i in range(0, len(frequencies), axes))


@torch.library.custom_op("unetzoo::dct_pool", mutates_args=())
def _pool(x: Tensor, frequencies: list[int], period: int | None) -> tuple[Tensor, Tensor]:
    return compiled.forward(x, _listed(x, frequencies), period)


@_pool.register_fake
def _(x: Tensor, frequencies: list[int], period: int | None) -> tuple[Tensor, Tensor]:
    waves = len(frequencies) // (x.dim() - 2)
    return x.new_empty(3, *x.shape[:2]), x.new_empty(*x.shape[:2], 2, waves, dtype=torch.int32)


@torch.library.custom_op("unetzoo::dct_pool_backward", mutates_args=())
def _pool_backward(
    dstatistics: Tensor, x: Tensor, at: Tensor, frequencies: list[int], period: int | None
) -> Tensor:
    return compiled.backward(dstatistics, x, at, _listed(x, frequencies), period)


@_pool_backward.register_fake
def _(dstatistics: Tensor, x: Tensor, at: Tensor, frequencies: list[int], period: int | None) -> Tensor:
    return x.new_empty(x.shape)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, ctx.frequencies, ctx.period = inputs
    ctx.save_for_backward(x, output[1])


def _differentiate(ctx, dstatistics: Tensor, dat: Tensor | None) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]
    return _pool_backward(dstatistics, *ctx.saved_tensors, ctx.frequencies, ctx.period), None, None


_pool.register_autograd(_differentiate, setup_context=_keep)
