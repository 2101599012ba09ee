"""One Mamba serves all groups of channels."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from unetzoo.blocks import ParallelMamba


@pytest.mark.parametrize("size", [(3, 5), (3, 2, 4)])
def test_groups_go_through_one_mamba_and_one_norm_twice(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    block, x = ParallelMamba(len(size), 8, 6, state=3), torch.randn(2, 8, *size)
    nn.init.constant_(block.scale, 0.7)
    tokens = block.norm(x.flatten(2).mT)
    groups = [block.mamba(part) + 0.7 * part for part in tokens.chunk(4, -1)]
    expected = block.out(block.norm(torch.cat(groups, -1))).mT.unflatten(2, size)
    torch.testing.assert_close(block(x), expected)


def test_permuting_groups_permutes_what_the_last_layer_sees() -> None:
    torch.manual_seed(0)
    block, x = ParallelMamba(2, 8, 8, state=3), torch.randn(2, 8, 3, 4)
    block.out = nn.Identity()  # type: ignore[assignment]
    order = torch.tensor([4, 5, 0, 1, 6, 7, 2, 3])
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


def test_it_has_the_size_of_the_authors(count: Callable[[nn.Module], int]) -> None:
    # norm, Mamba of width 16, s, linear
    assert count(ParallelMamba(2, 64, 64)) == 128 + 3360 + 1 + 64 * 64 + 64
    with pytest.raises(ValueError, match="6 channels cannot be split into 4"):
        ParallelMamba(2, 6, 6)
