"""The selective scan of Mamba (S6)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.ops.selective_scan import compiled, segments
from unetzoo.ops.selective_scan.export_forms import chosen_form, recorded_as
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

    Returns:
        (B, L, D), of the type of ``u``.

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(u, delta, A, B, C)
    kind, exact = u.dtype, torch.float64 if u.dtype == torch.float64 else torch.float32
    u, delta, A, B, C = (t.to(exact) for t in (u, delta, A, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias.to(exact)
    if delta_softplus:
        delta = F.softplus(delta)
    if B.dim() == 3:
        B, C = B[:, :, None], C[:, :, None]
    groups = B.shape[2]
    grouped = (
        torch.unflatten(u, 2, (groups, -1)),
        torch.unflatten(delta, 2, (groups, -1)),
        torch.unflatten(A, 0, (groups, -1)),
    )
    if torch.compiler.is_exporting():
        y = chosen_form()(*grouped, B, C, reverse).flatten(2)
    else:
        y = _scan(*grouped, B, C, reverse)[0].flatten(2)
    if D is not None:
        y = y + D.to(exact) * u
    if z is not None:
        y = y * F.silu(z.to(exact))
    return y.to(kind)


def _check(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> None:
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


@torch.library.custom_op("unetzoo::selective_scan", mutates_args=())
def _scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    run = compiled.forward if compiled.takes(u, A) else segments.forward
    return run(u, delta, A, B, C, reverse)


@_scan.register_fake
def _(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    starts = (u.shape[1] + STEPS - 1) // STEPS
    return torch.empty_like(u), u.new_empty(starts, u.shape[0], *A.shape)


@torch.library.custom_op("unetzoo::selective_scan_backward", mutates_args=())
def _scan_backward(
    dy: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    run = compiled.backward if compiled.takes(u, A) else segments.backward
    return run(dy, u, delta, A, B, C, starts, reverse)


@_scan_backward.register_fake
def _(
    dy: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, reverse: bool
) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(t) for t in (u, delta, A, B, C))


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.reverse = inputs
    ctx.save_for_backward(*tensors, output[1])


def _differentiate(ctx, dy: Tensor, dstarts: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    return (*_scan_backward(dy, *ctx.saved_tensors, ctx.reverse), None)


_scan.register_autograd(_differentiate, setup_context=_keep)
