"""Selective scans of one sequence in several directions, as a map is scanned."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.ops import scan_kernel
from unetzoo.ops.directional_scan import compiled
from unetzoo.ops.directional_scan.reference import Way, scans_summed
from unetzoo.ops.dispatch import note, noting

__all__ = ["directional_scan", "scans_summed"]


def directional_scan(
    u: Tensor, terms: Tensor, expand: Tensor, A: Tensor, D: Tensor, bias: Tensor, ways: Sequence[Way]
) -> Tensor:
    """The sum of K selective scans over the same tokens, each in an order of its own, without a copy of them.

    SS2D of Liu et al. 2024, "VMamba", arXiv:2401.10166, section 4.2, from its projection on: direction k has
    step widths ``softplus(low expand_k^T + bias_k)`` of low rank, which are made token by token where they
    are used, and otherwise is the scan of `selective_scan`.

    Args:
        u: (B, L, D), the tokens.
        terms: (B, L, K, R + 2 N), what each token says to each direction: low rank, B and C.
        expand: (K, D, R), from the low rank to step widths.
        A: (K, D, N), negative.
        D: (K, D), what passes the state by.
        bias: (K, D), of the step widths.
        ways: Per direction (reverse, fast, apart), see ``reverse`` and ``order`` of `selective_scan`.

    Returns:
        (B, L, D), of the type of ``u``, tokens where they were.

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(u, terms, expand, A, D, bias, ways)
    kind, exact = u.dtype, torch.float64 if u.dtype == torch.float64 else torch.float32
    u, terms, expand, A, D, bias = (t.to(exact) for t in (u, terms, expand, A, D, bias))
    note("directional_scan", u, scan_kernel.is_there())
    if u.is_meta:  # what would run is this one operation
        with noting():
            return scans_summed(u, terms, expand, A, D, bias, ways).to(kind)
    if not scan_kernel.takes(u):
        return scans_summed(u, terms, expand, A, D, bias, ways).to(kind)
    y: Tensor = _scan(u, terms, expand, A, D, bias, [int(number) for way in ways for number in way])[0]
    return y.to(kind)


def _check(
    u: Tensor, terms: Tensor, expand: Tensor, A: Tensor, D: Tensor, bias: Tensor, ways: Sequence[Way]
) -> None:
    directions = len(ways)
    width, rank = u.shape[-1], expand.shape[-1]
    state = (terms.shape[-1] - rank) // 2
    expected = {
        "terms": (*u.shape[:2], directions, rank + 2 * state),
        "expand": (directions, width, rank),
        "A": (directions, width, state),
        "D": (directions, width),
        "bias": (directions, width),
    }
    given = {"terms": terms, "expand": expand, "A": A, "D": D, "bias": bias}
    for name, shape in expected.items():
        if tuple(given[name].shape) != shape:
            raise ValueError(
                f"{name} is {tuple(given[name].shape)} and must be {shape} for {directions} directions of "
                f"tokens {tuple(u.shape)}"
            )
    for _, fast, apart in ways:
        if u.shape[1] % (fast * apart):
            raise ValueError(f"order ({fast}, {apart}) does not divide {u.shape[1]} tokens")


@torch.library.custom_op("unetzoo::directional_scan", mutates_args=())
def _scan(
    u: Tensor, terms: Tensor, expand: Tensor, A: Tensor, D: Tensor, bias: Tensor, ways: list[int]
) -> tuple[Tensor, Tensor]:
    return compiled.forward(u, terms, expand, A, D, bias, ways)


@_scan.register_fake
def _(
    u: Tensor, terms: Tensor, expand: Tensor, A: Tensor, D: Tensor, bias: Tensor, ways: list[int]
) -> tuple[Tensor, Tensor]:
    state = (terms.shape[3] - expand.shape[2]) // 2
    return u.new_empty(u.shape), u.new_empty(len(A), *scan_kernel.starts_shape(u, state))


@torch.library.custom_op("unetzoo::directional_scan_backward", mutates_args=())
def _scan_backward(
    dy: Tensor,
    u: Tensor,
    terms: Tensor,
    expand: Tensor,
    A: Tensor,
    D: Tensor,
    bias: Tensor,
    starts: Tensor,
    ways: list[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    return compiled.backward(dy, u, terms, expand, A, D, bias, starts, ways)  # type: ignore[return-value]


@_scan_backward.register_fake
def _(dy: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.new_empty(t.shape) for t in inputs[:6])


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.ways = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.set_materialize_grads(False)  # the states' would be zeros of their size


def _differentiate(ctx, dy: Tensor | None, dstarts: None) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    return (None,) * 7 if dy is None else (*_scan_backward(dy, *ctx.saved_tensors, ctx.ways), None)


_scan.register_autograd(_differentiate, setup_context=_keep)
