"""A row of the smallest U-Nets: one layer from width to width."""

from torch import nn

from unetzoo.blocks.stage import Block
from unetzoo.nd import conv

__all__ = ["light_row"]


def light_row(ndim: int, c_in: int, c_out: int, *, block: Block, block_from: int = 24) -> nn.Module:
    """A 3x3 convolution where rows are thin, ``block`` where they are wide (MALUNet, arXiv:2211.01784).

    Args:
        block_from: Width that both sides need for ``block``.
    """
    return block(ndim, c_in, c_out) if min(c_in, c_out) >= block_from else conv(ndim, c_in, c_out, 3)
