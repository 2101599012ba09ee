from collections.abc import Sequence
from itertools import product

import pytest
import torch
from torch import Tensor

from unetzoo.blocks import CrissCross, RecurrentCrissCross
from unetzoo.levels import Level

SIZES = [(4, 5), (3, 4, 2)]


def attention(size: tuple[int, ...]) -> tuple[CrissCross, Tensor]:
    torch.manual_seed(0)
    block = CrissCross(len(size), 8, reduction=4, identity_init=False).double()
    return block, torch.randn(2, 8, *size, dtype=torch.float64)


def pixel(x: Tensor, at: Sequence[int]) -> Tensor:
    """(B, C, *size) to a view of one pixel, (B, C)."""
    for index in at:
        x = x.select(2, index)
    return x


@pytest.mark.parametrize("size", SIZES)
def test_it_equals_the_formula_pixel_by_pixel(size: tuple[int, ...]) -> None:
    block, x = attention(size)
    q, k, v = (layer(x) for layer in (block.query, block.key, block.value))
    expected = x.clone()
    for at in product(*(range(n) for n in size)):
        # the pixels that share all coordinates but one, and the pixel itself
        near = [
            p
            for p in product(*(range(n) for n in size))
            if sum(a != b for a, b in zip(p, at, strict=True)) <= 1
        ]
        assert len(near) == sum(size) - len(size) + 1
        keys, values = (torch.stack([pixel(t, p) for p in near], 2) for t in (k, v))
        weights = torch.einsum("bc,bcn->bn", pixel(q, at), keys).softmax(1)
        pixel(expected, at).add_(torch.einsum("bn,bcn->bc", weights, values))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("size", SIZES)
def test_weights_sum_to_one_and_count_the_pixel_itself_once(size: tuple[int, ...]) -> None:
    block, x = attention(size)
    q, k = (layer(x).movedim(1, -1) for layer in (block.query, block.key))
    weights = block.weights(q, k)
    assert weights.shape == (2, *size, sum(size))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, *size, dtype=torch.float64))
    assert ((weights > 0).sum(-1) == sum(size) - len(size) + 1).all()


def test_a_constant_map_sees_its_value() -> None:
    block, x = attention((4, 5))
    x = x[:, :, :1, :1].expand(-1, -1, 4, 5)
    torch.testing.assert_close(block(x), x + block.value(x))


def test_a_map_of_one_row_is_attention_along_it() -> None:
    block, x = attention((1, 6))
    q, k, v = (layer(x)[:, :, 0] for layer in (block.query, block.key, block.value))
    expected = x + (v @ (q.mT @ k).softmax(2).mT).unsqueeze(2)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("size", SIZES)
def test_as_many_rounds_as_axes_connect_all_pixels_and_one_less_do_not(size: tuple[int, ...]) -> None:
    block, x = attention(size)
    for rounds, dense in ((len(size) - 1, False), (len(size), True)):
        x = x.detach().requires_grad_()
        out = x
        for _ in range(rounds):
            out = block(out)
        (grad,) = torch.autograd.grad(pixel(out, [0] * len(size))[0].square().sum(), x)
        assert bool((grad[0].abs().sum(0) > 0).all()) is dense


def test_it_starts_as_the_identity() -> None:
    x = torch.randn(1, 8, 3, 4)
    assert torch.equal(CrissCross(2, 8)(x), x)


def test_the_module_keeps_the_size_and_shares_the_attention_between_rounds() -> None:
    context = RecurrentCrissCross(Level(16, (8, 8, 8)), channels=6)
    assert context.rounds == 3
    assert context(torch.randn(2, 16, 2, 3, 4)).shape == (2, 6, 2, 3, 4)
    # queries and keys of 4 / 8 channels, but one at least; values; gamma
    assert sum(p.numel() for p in context.attention.parameters()) == 2 * (4 + 1) + (16 + 4) + 1
