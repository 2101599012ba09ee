"""A bottleneck of densely connected blocks."""

import torch
from torch import Tensor, nn

from unetzoo.blocks.conv_block import conv_block
from unetzoo.nd import Activation, Norm

__all__ = ["DenseBottleneck"]


class DenseBottleneck(nn.Module):
    """Blocks of two convolutions; from the second on each is given the outputs of all blocks before it.

    Azad et al. 2019, "BCDU-Net", arXiv:1909.00166, whose best network has three (D3).

    Args:
        blocks: How many; 1 is the U-Net's bottleneck.
        dropout: Probability of zeroing a value after each block.
    """

    def __init__(
        self,
        ndim: int,
        c_in: int,
        c_out: int,
        *,
        blocks: int = 3,
        norm: Norm | None = None,
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            conv_block(ndim, c_in if k == 0 else k * c_out, c_out, norm=norm, activation=activation)
            for k in range(blocks)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, *size) to (B, c_out, *size)."""
        made = [x]
        for k, block in enumerate(self.blocks):
            made.append(self.dropout(block(torch.cat(made[1:], 1) if k else x)))
        return made[-1]
