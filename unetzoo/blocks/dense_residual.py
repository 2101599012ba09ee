"""The densely connected residual block."""

import torch
from torch import Tensor, nn

from unetzoo.nd import conv

__all__ = ["DenseResidual"]


class DenseResidual(nn.Module):
    """Two 3x3 convolutions to half the width, each seeing all before it, and a third back to it, plus x.

    The DCR block of Park, Yu & Jeong 2019, "Densely Connected Hierarchical Network for Image Denoising",
    CVPR workshops, as MCW-Net (arXiv:2009.13990) uses it; PReLU behind every convolution, no norm.
    """

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.units = nn.ModuleList(
            nn.Sequential(conv(ndim, c_in, c_out, 3), nn.PReLU())
            for c_in, c_out in (
                (channels, half),
                (channels + half, half),
                (channels + 2 * half, channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        seen = x
        for unit in self.units[:-1]:
            seen = torch.cat([seen, unit(seen)], 1)
        out: Tensor = x + self.units[-1](seen)
        return out
