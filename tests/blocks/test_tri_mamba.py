"""Three orders, one sum."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.blocks import TriMamba


@pytest.mark.parametrize("size", [(3, 5), (3, 2, 4)])
def test_orders_are_forwards_backwards_and_from_slice_to_slice(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    block, x = TriMamba(len(size), 4, state=3), torch.randn(2, 4, *size)
    u, z = block.into(block.norm(x.flatten(2).mT)).chunk(2, -1)
    # of every pixel of the slices, that of the first slice, of the second ...
    across = torch.stack(u.chunk(size[0], 1), 2).flatten(1, 2)
    found = torch.stack(block.across(across).unflatten(1, (-1, size[0])).unbind(2), 1).flatten(1, 2)
    gate = F.silu(z)
    ahead, back = block.ahead(u), block.back(u.flip(1)).flip(1)
    y = F.linear(ahead * gate + back * gate + found * gate, block.out.weight)
    torch.testing.assert_close(block(x), x + y.mT.reshape_as(x))


def test_every_voxel_sees_every_other() -> None:
    torch.manual_seed(0)
    block, x = TriMamba(3, 4, state=3), torch.randn(1, 4, 2, 3, 2, requires_grad=True)
    for voxel in range(12):
        (grad,) = torch.autograd.grad(block(x).flatten(2)[..., voxel].sum(), x)
        assert (grad.abs().sum((0, 1)) > 0).all()


def test_turning_rows_into_columns_swaps_the_orders() -> None:
    torch.manual_seed(0)
    block, x = TriMamba(2, 4, state=3), torch.randn(2, 4, 3, 5)
    turned = TriMamba(2, 4, state=3)
    turned.load_state_dict(block.state_dict())
    turned.ahead, turned.across = turned.across, turned.ahead
    # the way back has its own order only one way round
    for each in (block, turned):
        nn.init.zeros_(each.back.space.bypass)
        nn.init.zeros_(each.back.space.project.weight)
    torch.testing.assert_close(turned(x.mT).mT, block(x))


def test_it_may_start_as_the_identity() -> None:
    x = torch.randn(2, 4, 3, 5)
    assert torch.equal(TriMamba(2, 4, identity_init=True)(x), x)
    with pytest.raises(ValueError, match="needs residual=true"):
        TriMamba(2, 4, residual=False, identity_init=True)


def test_it_costs_two_paths_more_than_a_mamba(count: Callable[[nn.Module], int]) -> None:
    block = TriMamba(3, 48)
    path = 96 * 5 + 96 * (3 + 32) + 3 * 96 + 96 + 96 * 16 + 96
    assert count(block) == 3 * path + 48 * 192 + 96 * 48 + 2 * 48
