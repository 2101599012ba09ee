"""Depthwise convolutions of several sizes side by side."""

from collections.abc import Sequence
from math import gcd

import torch
from torch import Tensor, nn

from unetzoo.blocks.project import project
from unetzoo.nd import Activation, conv_unit, sum_of

__all__ = ["MultiScaleDepthwise"]


class MultiScaleDepthwise(nn.Module):
    """``x + narrow(shuffle(sum over k of depthwise_k(widen(x))))``, each with norm.

    The multi-scale convolution block (MSCB) of Rahman et al. 2024, "EMCAD", arXiv:2405.06880, sec. 3.1. The
    shuffle deals the widened channels out in turn. Where the widths differ, x is projected.

    Args:
        expansion: Inner channels per input channel.
        sizes: Kernels of the depthwise convolutions.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        expansion: int = 2,
        sizes: Sequence[int] = (1, 3, 5),
        activation: Activation = "relu6",
    ) -> None:
        super().__init__()
        inner = expansion * c_in
        self.groups = gcd(inner, c_out)
        self.widen = nn.Sequential(*conv_unit(ndim, c_in, inner, 1, activation_name=activation))
        self.scales = nn.ModuleList(
            nn.Sequential(*conv_unit(ndim, inner, inner, size, groups=inner, activation_name=activation))
            for size in sizes
        )
        self.narrow = nn.Sequential(*conv_unit(ndim, inner, c_out, 1, activation_name=None))
        self.project = project(ndim, c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        wide = self.widen(x)
        mixed = sum_of(scale(wide) for scale in self.scales)
        shuffled = torch.unflatten(mixed, 1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
        out: Tensor = self.project(x) + self.narrow(shuffled)
        return out
