"""Mamba sees what came before and nothing else, and has the size of the published one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.blocks import Mamba, MambaLayer
from unetzoo.ops.selective_scan import scan_step_by_step


def mamba(**options: Any) -> Mamba:
    torch.manual_seed(0)
    return Mamba(6, state=4, **options).double()


def tokens(length: int = 11) -> torch.Tensor:
    return torch.randn(2, length, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_it_is_the_published_block() -> None:
    block, u = mamba(), tokens()
    space, conv = block.path.space, block.path.conv
    x, z = F.linear(u, block.into.weight).chunk(2, -1)
    convolved = F.conv1d(x.mT, conv.weight, conv.bias, padding=3, groups=12)[..., :11].mT
    x = F.silu(convolved)
    low, into, out = torch.split(x @ space.project.weight.T, [1, 4, 4], -1)
    delta = F.softplus(low @ space.steps.weight.T + space.steps.bias)
    y = scan_step_by_step(
        x[:, :, None],
        delta[:, :, None],
        -space.log_decay.exp()[None],
        into[:, :, None],
        out[:, :, None],
    )[:, :, 0]
    expected = ((y + space.bypass * x) * F.silu(z)) @ block.out.weight.T
    # both in float64 but for the decays, which the state space keeps in float32
    torch.testing.assert_close(block(u), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_token_depends_on_those_before_it_alone(reverse: bool) -> None:
    block, u = mamba(), tokens().requires_grad_()
    (grad,) = torch.autograd.grad(block(u, reverse=reverse)[:, 6].sum(), u)
    reached = grad.abs().sum((0, 2)) > 0
    assert reached.tolist() == [i >= 6 if reverse else i <= 6 for i in range(11)]


def test_the_reverse_is_the_flipped_sequence() -> None:
    block, u = mamba(), tokens()
    torch.testing.assert_close(block(u, reverse=True), block(u.flip(1)).flip(1))


def test_leading_zeros_leave_what_follows_as_it_is_without_the_convolutions_bias() -> None:
    block, u = mamba(), tokens()
    assert block.path.conv.bias is not None
    nn.init.zeros_(block.path.conv.bias)
    torch.testing.assert_close(block(F.pad(u, (0, 0, 5, 0)))[:, 5:], block(u))


def test_the_layer_of_u_mambas_bottleneck_has_its_size(count: Callable[[nn.Module], int]) -> None:
    assert count(MambaLayer(2, 512)) == 1_695_744


@pytest.mark.parametrize("size", [(3, 5), (2, 3, 4)])
def test_a_map_is_read_row_by_row(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = MambaLayer(len(size), 6, residual=False)
    x = torch.randn(2, 6, *size)
    expected = layer.mixer(layer.norm(x.flatten(2).mT)).mT.unflatten(2, size)
    torch.testing.assert_close(layer(x), expected)
    layer.residual = True
    torch.testing.assert_close(layer(x), x + expected)


def test_both_ways_every_pixel_sees_every_other() -> None:
    torch.manual_seed(0)
    layer, x = MambaLayer(2, 6, both_ways=True), torch.randn(1, 6, 4, 3, requires_grad=True)
    for row, column in [(0, 0), (1, 2), (3, 2)]:
        (grad,) = torch.autograd.grad(layer(x)[..., row, column].sum(), x)
        assert (grad.abs().sum((0, 1)) > 0).all()


def test_it_may_start_as_the_identity_if_it_adds_its_input() -> None:
    x = torch.randn(2, 6, 4, 3)
    assert torch.equal(MambaLayer(2, 6, identity_init=True)(x), x)
    with pytest.raises(ValueError, match="needs residual=true"):
        MambaLayer(2, 6, residual=False, identity_init=True)
