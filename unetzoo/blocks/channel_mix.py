"""RWKV's channel mixing on maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.nd import conv, norm

__all__ = ["ChannelMix", "neighbor_shift"]


def neighbor_shift(x: Tensor) -> Tensor:
    """Move groups of channels by one pixel, one group along each direction; zeros come in at the border.

    (B, C, *size) to the same: right, left, down, up, and in 3D to the far end and back, ``C // 4`` channels
    each (3D: ``C // 6``); what is left of the channels stays. The q-shift of Duan et al. 2024,
    "Vision-RWKV", arXiv:2403.02308.
    """
    axes = x.dim() - 2
    width = x.shape[1] // (2 * axes)
    if width == 0:
        return x
    moved = []
    for k in range(2 * axes):
        axis, back = x.dim() - 1 - k // 2, k % 2
        pad = [0] * (2 * axes)
        # F.pad lists the last axis first, and of each axis the near end first
        pad[2 * (k // 2) + back] = 1
        part = x.narrow(1, k * width, width)
        moved.append(F.pad(part, pad).narrow(axis, back, x.shape[axis]))
    return torch.cat([*moved, x[:, 2 * axes * width :]], 1)


class ChannelMix(nn.Module):
    """``sigmoid(w_r x_r) * w_v norm(relu(w_k x_k)^2)``, x_r and x_k between each pixel and its neighbours'.

    The channel mixing of RWKV (Peng et al. 2023, arXiv:2305.13048, eq. 14 to 18) with the neighbours of
    Vision-RWKV (see `neighbor_shift`) in place of the previous token. Its cost is linear in the pixels.

    Args:
        expansion: Inner channels per channel.
    """

    def __init__(self, ndim: int, channels: int, *, expansion: int = 2) -> None:
        super().__init__()
        inner = expansion * channels
        self.share_k, self.share_r = (
            nn.Parameter(torch.full((channels, *[1] * ndim), 0.5)) for _ in range(2)
        )
        for share in (self.share_k, self.share_r):
            share.no_weight_decay = True  # type: ignore[attr-defined]
        self.w_k, self.w_v = conv(ndim, channels, inner, bias=False), conv(ndim, inner, channels, bias=False)
        self.w_r = conv(ndim, channels, channels, bias=False)
        self.norm = norm("layer", ndim, inner)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        away = neighbor_shift(x) - x
        key = self.w_k(x + (1 - self.share_k) * away).relu().square()
        gate = self.w_r(x + (1 - self.share_r) * away).sigmoid()
        out: Tensor = gate * self.w_v(self.norm(key))
        return out
