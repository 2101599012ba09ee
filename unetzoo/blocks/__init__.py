"""Blocks that several parts share."""

from unetzoo.blocks.cbam import CBAM, ChannelAttention, SpatialAttention
from unetzoo.blocks.conv_block import conv_block
from unetzoo.blocks.eca import EfficientChannelAttention
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.blocks.sc_se import ScSE
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.blocks.stage import Block, stage

__all__ = [
    "CBAM",
    "Block",
    "ChannelAttention",
    "EfficientChannelAttention",
    "ResidualBlock",
    "ScSE",
    "SpatialAttention",
    "SqueezeExcite",
    "conv_block",
    "stage",
]
