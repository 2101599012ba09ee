"""State space duality: the scan of Mamba-2, whose decay is one number per head, by matrix products."""

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.nd import full_precision
from unetzoo.ops import scan_kernel
from unetzoo.ops.dispatch import note
from unetzoo.ops.ssd import compiled
from unetzoo.ops.ssd.reference import ssd_step_by_step

__all__ = ["ssd", "ssd_step_by_step"]


def ssd(
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
    chunk: int = 64,
) -> Tensor:
    """The recurrence of Mamba-2 in chunks (Dao & Gu 2024, arXiv:2405.21060, section 6 and listing 1).

    ``h_t = exp(delta_t A) h_(t-1) + delta_t B_t u_t^T`` and ``y_t = C_t^T h_t + D u_t``. Within a chunk this
    is attention with a decay as mask; chunks meet through their states. Decays are sums over masked entries,
    never differences of running sums, which lose all digits in a long sequence. Exports as it stands, for any
    length.

    Args:
        u: (B, L, H, P), heads of width P.
        delta: (B, L, H), step widths.
        A: (H,), negative.
        B: (B, L, N), or (B, L, G, N) where head h goes by group h // (H / G).
        C: As B.
        D: (H,), what passes the state by.
        z: (B, L, H, P), gate.
        delta_bias: (H,), added to ``delta``.
        delta_softplus: Let the step widths be ``softplus(delta + delta_bias)``.
        reverse: From the last token to the first.
        chunk: Tokens that are taken at once.

    Returns:
        (B, L, H, P), of the type of ``u``.

    Raises:
        ValueError: If shapes do not fit.
    """
    _check(u, delta, A, B, C)
    kind, exact = u.dtype, torch.float64 if u.dtype == torch.float64 else torch.float32
    u, delta, A, B, C = (t.to(exact) for t in (u, delta, A, B, C))
    D, z, delta_bias = (None if t is None else t.to(exact) for t in (D, z, delta_bias))
    if B.dim() == 3:
        B, C = B[:, :, None], C[:, :, None]
    alone = B.shape[2] == 1
    note("ssd", u, alone and scan_kernel.is_there())
    if alone and not torch.compiler.is_exporting() and scan_kernel.takes(u):
        D, delta_bias = (torch.zeros_like(A) if t is None else t for t in (D, delta_bias))
        y: Tensor = _scan(u, delta, A, B[:, :, 0], C[:, :, 0], D, delta_bias, delta_softplus, reverse)[0]
    else:
        delta = delta if delta_bias is None else delta + delta_bias
        with full_precision(u):
            y = _chunks(u, F.softplus(delta) if delta_softplus else delta, A, B, C, reverse, chunk)
        y = y if D is None else y + D[:, None] * u
    return (y if z is None else y * F.silu(z)).to(kind)


def _chunks(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool, chunk: int) -> Tensor:
    groups, length = B.shape[2], u.shape[1]
    if reverse:
        u, delta, B, C = (t.flip(1) for t in (u, delta, B, C))
    missing = (length + chunk - 1) // chunk * chunk - length
    # a step of width 0 changes nothing; heads as (G, H / G), time as (chunks, chunk)
    u, delta, B, C = (
        torch.unflatten(F.pad(t, (0, 0) * (t.dim() - 2) + (0, missing)), 1, (-1, chunk))
        for t in (u, delta, B, C)
    )
    decay = torch.unflatten(delta * A, 3, (groups, -1)).movedim(2, -1)  # (B, chunks, G, H / G, chunk)
    entering = torch.unflatten(u * delta[..., None], 3, (groups, -1))
    within = torch.einsum("bcign,bcjgn->bcgij", C, B)[:, :, :, None] * torch.exp(_sums_between(decay))
    near = torch.einsum("bcghij,bcjghp->bcighp", within, entering)

    so_far = decay.cumsum(-1)
    to_end = torch.exp(_sums_between(decay)[..., -1, :])
    left = torch.einsum("bcjgn,bcghj,bcjghp->bcghpn", B, to_end, entering)
    # states at the starts: the one before the first chunk is zero
    left = torch.cat([torch.zeros_like(left[:, :1]), left], 1)
    whole = F.pad(so_far[..., -1].movedim(1, -1), (1, 0))
    between = torch.exp(_sums_between(whole))  # (B, G, H / G, chunks + 1, chunks + 1)
    starts = torch.einsum("bghzc,bcghpn->bzghpn", between, left)[:, :-1]
    far = torch.einsum("bcign,bcghpn,bcghi->bcighp", C, starts, torch.exp(so_far))

    y = (near + far).flatten(3, 4).flatten(1, 2).narrow(1, 0, length)
    return y.flip(1) if reverse else y


def _sums_between(x: Tensor) -> Tensor:
    """(..., T) to (..., T, T): entry (i, j) is the sum of x_(j+1) to x_i, and -inf where j > i."""
    size = x.shape[-1]
    below = torch.ones(size, size, dtype=torch.bool, device=x.device).tril(-1)
    sums = x[..., None].expand(*x.shape, size).masked_fill(~below, 0.0).cumsum(-2)
    upto = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()
    return sums.masked_fill(~upto, -torch.inf)


def _check(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> None:
    if u.dim() != 4 or delta.shape != u.shape[:3] or A.shape != u.shape[2:3]:
        raise ValueError(
            "u must be (B, L, H, P), delta (B, L, H) and A (H,), got "
            f"{tuple(u.shape)}, {tuple(delta.shape)} and {tuple(A.shape)}"
        )
    fits = B.shape == C.shape and B.dim() in (3, 4) and B.shape[:2] == u.shape[:2]
    if not fits or (B.dim() == 4 and u.shape[2] % B.shape[2]):
        raise ValueError(
            f"B and C must be (B, L, N) or (B, L, G, N) with G a divisor of {u.shape[2]}, got "
            f"{tuple(B.shape)} and {tuple(C.shape)}"
        )


@torch.library.custom_op("unetzoo::ssd", mutates_args=())
def _scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    bias: Tensor,
    softplus: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    return compiled.forward(u, delta, A, B, C, D, bias, softplus, reverse)


@_scan.register_fake
def _(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, *others: object) -> tuple[Tensor, Tensor]:
    return u.new_empty(u.shape), u.new_empty(compiled.starts_shape(u, B))


@torch.library.custom_op("unetzoo::ssd_backward", mutates_args=())
def _scan_backward(
    dy: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    bias: Tensor,
    starts: Tensor,
    softplus: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    inputs = (u, delta, A, B, C, D, bias, starts)
    return compiled.backward(dy, *inputs, softplus, reverse)  # type: ignore[return-value]


@_scan_backward.register_fake
def _(dy: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.new_empty(t.shape) for t in inputs[:7])


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.softplus, ctx.reverse = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.set_materialize_grads(False)  # the states' would be zeros of their size


def _differentiate(ctx, dy: Tensor | None, dstarts: None) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
    if dy is None:
        return (None,) * 9
    return (*_scan_backward(dy, *ctx.saved_tensors, ctx.softplus, ctx.reverse), None, None)


_scan.register_autograd(_differentiate, setup_context=_keep)
