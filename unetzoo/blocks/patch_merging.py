"""Swin's way down."""

from math import prod

import torch
from torch import Tensor, nn

from unetzoo.blocks.token_init import token_init
from unetzoo.levels import Level, ratio
from unetzoo.nd import conv, norm

__all__ = ["PatchMerging", "patch_merging"]


class PatchMerging(nn.Module):
    """Stack the pixels of every cell as channels, norm them together, project them.

    Liu et al. 2021, "Swin Transformer", arXiv:2103.14030, sec. 3.1, in any dimension. The pixels of a cell
    come in Swin's order, its first axis fastest: (0, 0), (1, 0), (0, 1), (1, 1).

    Args:
        factor: Pixels of a cell per axis, which the map must be a multiple of.
    """

    def __init__(self, factor: tuple[int, ...], c_in: int, c_out: int) -> None:
        super().__init__()
        ndim, stacked = len(factor), c_in * prod(factor)
        self.factor = factor
        self.norm = norm("layer", ndim, stacked)
        self.reduce = token_init(conv(ndim, stacked, c_out, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *(size / factor))."""
        n = len(self.factor)
        for axis, f in enumerate(self.factor):
            x = torch.unflatten(x, 2 + 2 * axis, (-1, f))  # (B, C, cells, factor, cells, factor ...)
        x = x.permute(0, *range(1 + 2 * n, 2, -2), 1, *range(2, 2 + 2 * n, 2))
        out: Tensor = self.reduce(self.norm(x.flatten(1, 1 + n)))
        return out


def patch_merging(fine: Level, coarse: Level) -> tuple[nn.Module, int]:
    """`PatchMerging` from a fine row to a coarse one and its channels; for ``ConvEncoder.down``."""
    factor = ratio(coarse.stride, fine.stride)
    return PatchMerging(factor, fine.channels, coarse.channels), coarse.channels
