"""The selective scan of Mamba (S6)."""

from types import ModuleType

import torch
from torch import Tensor

from unetzoo.ops import scan_kernel
from unetzoo.ops.dispatch import note
from unetzoo.ops.selective_scan import compiled, gpu, segments
from unetzoo.ops.selective_scan.export_forms import chosen_form, recorded_as
from unetzoo.ops.selective_scan.layout import surrounded
from unetzoo.ops.selective_scan.reference import scan_step_by_step
from unetzoo.ops.selective_scan.segments import STEPS

__all__ = ["recorded_as", "scan_step_by_step", "selective_scan"]


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    reverse: bool = False,
    order: tuple[int, int] = (1, 1),
) -> Tensor:
    """The recurrence of Mamba, channels last (Gu & Dao 2023, arXiv:2312.00752, eq. 2 and algorithm 2).

    ``h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t``, ``y_t = sum_n C_t,n h_t,n + D u_t``, times
    ``silu(z_t)`` if there is a gate. State and decays are float32, or float64 if ``u`` is, under autocast
    too. The backward pass keeps the states between segments alone.

    Args:
        u: (B, L, D), the sequence.
        delta: (B, L, D), step widths.
        A: (D, N), negative.
        B: (B, L, N), or (B, L, G, N) where channel d goes by group d // (D / G).
        C: As B.
        D: (D,), what passes the state by.
        z: (B, L, D), gate.
        delta_bias: (D,), added to ``delta``.
        delta_softplus: Let the step widths be ``softplus(delta + delta_bias)``.
        reverse: From the last token to the first.
        order: (fast, apart): tokens lie as (L / (fast apart), fast, apart), and the scan runs along ``fast``
            before ``apart``. The tokens of a map of H rows are met column by column with (H, W), and nothing
            is copied for it.

    Returns:
        (B, L, D), of the type of ``u``, tokens where they were.

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(u, delta, A, B, C, order)
    kind, exact = u.dtype, torch.float64 if u.dtype == torch.float64 else torch.float32
    A = A.to(exact)
    D, delta_bias = (None if t is None else t.to(exact) for t in (D, delta_bias))
    if torch.compiler.is_exporting() or not gpu.takes(u, A):  # it reads half precision as it is
        u, delta, B, C = (t.to(exact) for t in (u, delta, B, C))
        z = None if z is None else z.to(exact)
    if B.dim() == 3:
        B, C = B[:, :, None], C[:, :, None]
    inputs = (u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse, *order)
    if torch.compiler.is_exporting():
        form = chosen_form()
        y = surrounded(lambda *recurrence: (form(*recurrence), None), *inputs)[0]
    else:
        note("selective_scan", u, scan_kernel.is_there())
        y = _scan(*inputs)[0]
    return y.to(kind)


def _check(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, order: tuple[int, int]) -> None:
    if u.dim() != 3 or delta.shape != u.shape:
        raise ValueError(f"u and delta must be (B, L, D), got {tuple(u.shape)} and {tuple(delta.shape)}")
    if A.dim() != 2 or A.shape[0] != u.shape[2]:
        raise ValueError(f"A must be (D, N) with D = {u.shape[2]}, got {tuple(A.shape)}")
    fits = B.shape == C.shape and B.dim() in (3, 4) and B.shape[:2] == u.shape[:2]
    if not fits or B.shape[-1] != A.shape[1] or (B.dim() == 4 and u.shape[2] % B.shape[2]):
        raise ValueError(
            f"B and C must be (B, L, N) or (B, L, G, N) with N = {A.shape[1]} and G a divisor of "
            f"{u.shape[2]}, got {tuple(B.shape)} and {tuple(C.shape)}"
        )
    if u.shape[1] % (order[0] * order[1]):
        raise ValueError(f"order {order} does not divide {u.shape[1]} tokens")


def _chosen(u: Tensor, A: Tensor) -> ModuleType:
    return next((kernel for kernel in (compiled, gpu) if kernel.takes(u, A)), segments)


@torch.library.custom_op("unetzoo::selective_scan", mutates_args=())
def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    softplus: bool,
    reverse: bool,
    fast: int,
    apart: int,
) -> tuple[Tensor, Tensor]:
    run = _chosen(u, A).forward
    y, starts = run(u, delta, A, B, C, D, z, bias, softplus, reverse, fast, apart)
    return y, starts


@_scan.register_fake
def _(u: Tensor, delta: Tensor, A: Tensor, *others: object) -> tuple[Tensor, Tensor]:
    starts = (u.shape[1] + STEPS - 1) // STEPS
    return u.new_empty(u.shape), A.new_empty(starts, u.shape[0], *A.shape)


@torch.library.custom_op("unetzoo::selective_scan_backward", mutates_args=())
def _scan_backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    starts: Tensor,
    softplus: bool,
    reverse: bool,
    fast: int,
    apart: int,
) -> list[Tensor]:
    grads = _chosen(u, A).backward(dy, u, delta, A, B, C, D, z, bias, starts, softplus, reverse, fast, apart)
    return [grad for grad in grads if grad is not None]


@_scan_backward.register_fake
def _(dy: Tensor, *inputs: Tensor | None) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in inputs[:8] if t is not None]


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, softplus, reverse, fast, apart = inputs
    ctx.flags = (softplus, reverse, fast, apart)
    ctx.save_for_backward(*tensors, output[1])
    ctx.set_materialize_grads(False)  # the states' would be zeros of their size


def _differentiate(ctx, dy: Tensor | None, dstarts: None) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    *tensors, starts = ctx.saved_tensors
    if dy is None:
        return (None,) * 12
    grads = iter(_scan_backward(dy, *tensors, starts, *ctx.flags))
    return (*(None if t is None else next(grads) for t in tensors), None, None, None, None)


_scan.register_autograd(_differentiate, setup_context=_keep)
