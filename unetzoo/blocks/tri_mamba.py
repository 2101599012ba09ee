"""Mamba along three orders of a volume."""

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.mamba import MambaPath
from unetzoo.blocks.state_space import scan_together

__all__ = ["TriMamba"]


class TriMamba(nn.Module):
    """Layer norm, then Mamba from the first pixel to the last, back, and from slice to slice.

    The tri-orientated Mamba of SegMamba (Xing et al. 2024, arXiv:2401.13560, eq. 3): projections are shared,
    convolution and state space are each order's own, and what they find is added. Slices lie along the first
    axis; in 2D they are rows, so that the third order goes down the columns.

    Args:
        state: Numbers that each inner channel remembers.
        kernel: Tokens that the convolutions see.
        expand: Inner channels per channel.
        residual: Add the map itself.
        identity_init: Start as the identity: the last projection is zero.

    Raises:
        ValueError: If ``identity_init`` is asked for without ``residual``.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        state: int = 16,
        kernel: int = 4,
        expand: int = 2,
        residual: bool = True,
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        if identity_init and not residual:
            raise ValueError("identity_init=true needs residual=true; without it the layer starts as zero")
        inner, self.residual = expand * channels, residual
        self.norm = nn.LayerNorm(channels)
        self.into = nn.Linear(channels, 2 * inner, bias=False)
        self.ahead, self.back, self.across = (
            MambaPath(inner, state=state, kernel=kernel, rank=ceil(channels / 16)) for _ in range(3)
        )
        self.out = nn.Linear(inner, channels, bias=False)
        if identity_init:
            nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        slices = x.shape[2]
        u, z = self.into(self.norm(x.flatten(2).transpose(1, 2))).chunk(2, -1)
        # pixels of a slice, then slices: the third order has the slice as its fastest axis
        across = u.unflatten(1, (slices, -1)).transpose(1, 2).flatten(1, 2)
        ahead, across = scan_together(
            [self.ahead.space, self.across.space],
            [F.silu(self.ahead.conv(u)), F.silu(self.across.conv(across))],
        )
        across = torch.unflatten(across, 1, (-1, slices)).transpose(1, 2).flatten(1, 2)
        found = ahead + self.back(u, reverse=True) + across
        # every order's gate is the same pixel's
        y: Tensor = self.out(found * F.silu(z)).transpose(1, 2).reshape(x.shape)
        return x + y if self.residual else y
