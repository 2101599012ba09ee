"""What a selective scan is."""

import torch
from torch import Tensor

__all__ = ["scan_step_by_step"]


def scan_step_by_step(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool = False
) -> Tensor:
    """The recurrence as Gu & Dao 2023 write it (arXiv:2312.00752, eq. 2a; A by zero-order hold, B by Euler).

    ``h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t`` and ``y_t = sum_n C_t,n h_t,n``, from ``h_0 = 0``.

    Args:
        u: (B, L, G, D), the sequence, channels in G groups.
        delta: (B, L, G, D), step widths, positive.
        A: (G, D, N), negative.
        B: (B, L, G, N), shared by the channels of a group.
        C: (B, L, G, N), likewise.
        reverse: From the last token to the first.

    Returns:
        (B, L, G, D).
    """
    decay = torch.exp(delta[..., None] * A)
    entering = (delta * u)[..., None] * B[:, :, :, None]
    state, out = torch.zeros_like(entering[:, 0]), []
    # indexing [:, t] instead would make the backward pass quadratic: every select has a gradient of full size
    steps = [t.unbind(1) for t in (decay, entering, C)]
    for a, x, c in zip(*(t[::-1] if reverse else t for t in steps), strict=True):
        state = a * state + x
        out.append((state * c[:, :, None]).sum(-1))
    return torch.stack(out[::-1] if reverse else out, 1)
