"""What any row of the U is made of."""

from collections.abc import Callable

from torch import nn

from unetzoo.levels import Level

__all__ = ["Block", "RowBlock", "stage"]

# (ndim, channels in, channels out) to a module that keeps the size
Block = Callable[[int, int, int], nn.Module]
# (row, bottleneck) to a module that keeps size and width, for blocks that go by where in the U they are
RowBlock = Callable[[Level, Level], nn.Module]


def stage(
    block: Block, ndim: int, c_in: int, c_out: int, count: int = 1, *, then: Block | None = None
) -> nn.Module:
    """``count`` blocks in a row, the first of which changes the width; a single one comes as it is.

    Args:
        then: Builds the blocks after the first; ``None`` is ``block``.
    """
    if count < 1:
        raise ValueError(f"a row of the U needs at least one block, got {count}")
    if count == 1:
        return block(ndim, c_in, c_out)
    others = ((then or block)(ndim, c_out, c_out) for _ in range(count - 1))
    return nn.Sequential(block(ndim, c_in, c_out), *others)
