"""The smallest U-Nets' way up."""

from torch import nn

from unetzoo.blocks.light_row import light_row
from unetzoo.blocks.stage import Block
from unetzoo.levels import Level, ratio
from unetzoo.nd import resize

__all__ = ["light_up"]


def light_up(
    coarse: Level, fine: Level, *, block: Block, block_from: int = 24, groups: int = 4
) -> tuple[nn.Module, int]:
    """`light_row` to the fine row's channels, norm, linear interpolation, GELU (MALUNet, arXiv:2211.01784).

    For ``ConvDecoder.up``, with ``convs=0`` and skips that are added.
    """
    factor = ratio(coarse.stride, fine.stride)
    row = light_row(len(factor), coarse.channels, fine.channels, block=block, block_from=block_from)
    norm = nn.GroupNorm(groups, fine.channels)
    return nn.Sequential(row, norm, resize(factor), nn.GELU()), fine.channels
