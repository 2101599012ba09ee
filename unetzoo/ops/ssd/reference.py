"""What state space duality computes."""

import torch
from torch import Tensor

__all__ = ["ssd_step_by_step"]


def ssd_step_by_step(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, reverse: bool = False
) -> Tensor:
    """The recurrence as Dao & Gu 2024 write it (arXiv:2405.21060, eq. 1, with a scalar decay per head).

    Args:
        u: (B, L, G, H, P), heads in G groups.
        delta: (B, L, G, H), step widths, positive.
        A: (G, H), negative.
        B: (B, L, G, N), shared by the heads of a group.
        C: (B, L, G, N), likewise.
        reverse: From the last token to the first.

    Returns:
        (B, L, G, H, P).
    """
    decay = torch.exp(delta * A)[..., None, None]
    entering = (delta[..., None] * u)[..., None] * B[:, :, :, None, None]
    state, out = torch.zeros_like(entering[:, 0]), []
    steps = [t.unbind(1) for t in (decay, entering, C)]
    for a, x, c in zip(*(t[::-1] if reverse else t for t in steps), strict=True):
        state = a * state + x
        out.append((state * c[:, :, None, None]).sum(-1))
    return torch.stack(out[::-1] if reverse else out, 1)
