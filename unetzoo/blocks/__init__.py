"""Blocks that several parts share."""

from unetzoo.blocks.conv_block import conv_block
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.blocks.stage import Block, stage

__all__ = ["Block", "ResidualBlock", "conv_block", "stage"]
