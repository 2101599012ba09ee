"""The smallest U-Nets' way down."""

from torch import nn

from unetzoo.blocks.light_row import light_row
from unetzoo.blocks.stage import Block
from unetzoo.levels import Level, ratio
from unetzoo.nd import max_pool

__all__ = ["light_down"]


def light_down(
    fine: Level, coarse: Level, *, block: Block, block_from: int = 24, groups: int = 4
) -> tuple[nn.Module, int]:
    """`light_row` to the coarse row's channels, norm, max pooling, GELU (MALUNet, arXiv:2211.01784, fig. 2).

    A row of the same stride has neither norm nor pooling. For ``ConvEncoder.stem`` and ``ConvEncoder.down``.
    """
    factor = ratio(coarse.stride, fine.stride)
    layers = [light_row(len(factor), fine.channels, coarse.channels, block=block, block_from=block_from)]
    if max(factor) > 1:
        layers += [nn.GroupNorm(groups, coarse.channels), max_pool(factor)]
    return nn.Sequential(*layers, nn.GELU()), coarse.channels
