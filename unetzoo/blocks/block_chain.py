"""Blocks of several kinds, one after the other, as one block."""

from collections.abc import Mapping

from torch import nn

from unetzoo.blocks.stage import Block

__all__ = ["block_chain"]


def block_chain(ndim: int, c_in: int, c_out: int, *, steps: Mapping[str, Block]) -> nn.Sequential:
    """The first step brings the width; for the ``block`` of encoders, decoders and nested skips.

    Args:
        steps: What builds each block from (ndim, channels in, channels out), in order; the names are yours.

    Raises:
        ValueError: If there are none.
    """
    if not steps:
        raise ValueError("a chain of blocks needs at least one, got none; list them under block.steps")
    blocks = (make(ndim, c_out if k else c_in, c_out) for k, make in enumerate(steps.values()))
    return nn.Sequential(*blocks)
