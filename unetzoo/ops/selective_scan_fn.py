"""The selective scan as Mamba's own package calls it."""

from torch import Tensor

from unetzoo.ops.selective_scan import selective_scan

__all__ = ["selective_scan_fn"]


def selective_scan_fn(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Tensor:
    """`selective_scan` with the arguments of ``mamba_ssm.ops.selective_scan_interface.selective_scan_fn``.

    For code that was written for that package; tokens are laid out anew, so `selective_scan` is faster.

    Args:
        u: (B, D, L), the sequence.
        delta: (B, D, L), step widths.
        A: (D, N), negative.
        B: (B, N, L), or (B, G, N, L) where channel d goes by group d // (D / G).
        C: As B.
        D: (D,), what passes the state by.
        z: (B, D, L), gate.
        delta_bias: (D,), added to ``delta``.
        delta_softplus: Let the step widths be ``softplus(delta + delta_bias)``.
        return_last_state: Not supported.

    Returns:
        (B, D, L), of the type of ``u``.

    Raises:
        ValueError: If shapes do not fit, ``A`` is complex, ``B`` or ``C`` is the same for all tokens, or the
            last state is asked for.
    """
    if return_last_state:
        raise ValueError("return_last_state=True is for text, token by token, and not supported")
    if A.is_complex():
        raise ValueError(f"A is {A.dtype}; only real decays are supported")
    for name, t in (("B", B), ("C", C)):
        if t.dim() not in (3, 4):
            raise ValueError(
                f"{name} is {tuple(t.shape)} and must be (B, N, L) or (B, G, N, L), made from each token"
            )
    gate = None if z is None else z.mT
    B, C = B.movedim(-1, 1), C.movedim(-1, 1)
    return selective_scan(u.mT, delta.mT, A, B, C, D, gate, delta_bias, delta_softplus).mT.contiguous()
