"""Blocks that several parts share."""

from unetzoo.blocks.conv_block import conv_block
from unetzoo.blocks.residual_block import ResidualBlock

__all__ = ["ResidualBlock", "conv_block"]
