"""Graph layers on rings, against the circulant matrices that they are."""

import pytest
import torch
from torch import Tensor

from unetzoo.blocks import ChebConv
from unetzoo.blocks.ring_graph import ring_halving, ring_operator, ring_unpooling

RINGS = [6, 7, 9]


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_what_every_node_has_survives_halving_and_unpooling() -> None:
    d, u = ring_halving(RINGS), ring_unpooling(RINGS)
    assert d.shape == (3 + 4 + 5, sum(RINGS))
    assert u.shape == d.T.shape
    for matrix in (d, u, d @ u):
        torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)), rtol=0, atol=0)


def test_halving_averages_pairs_and_unpooling_lies_between() -> None:
    x = torch.tensor([1.0, 3.0, 10.0, 20.0, 7.0])
    assert torch.equal(ring_halving([5]) @ x, torch.tensor([2.0, 15.0, 7.0]))
    y = torch.tensor([2.0, 4.0, 10.0])
    assert torch.equal(ring_unpooling([5]) @ y, torch.tensor([2.0, 3.0, 4.0, 7.0, 10.0]))
    assert torch.equal(ring_unpooling([6]) @ y, torch.tensor([2.0, 3.0, 4.0, 7.0, 10.0, 10.0]))


def test_rings_do_not_touch() -> None:
    for matrix, columns in ((ring_operator(RINGS), RINGS), (ring_unpooling(RINGS), [3, 4, 5])):
        rows = torch.arange(3).repeat_interleave(torch.tensor(RINGS))
        assert not matrix[rows[:, None] != torch.arange(3).repeat_interleave(torch.tensor(columns))].any()


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_the_convolution_is_a_polynomial_in_the_circulant_matrix(order: int) -> None:
    torch.manual_seed(0)
    layer, x = ChebConv(3, 4, order=order).double(), noise(2, 12, 3)
    shift = torch.eye(12, dtype=torch.float64).roll(1, 0)
    operator = -(shift + shift.T) / 2
    weights = layer.linear.weight.reshape(4, order, 3)
    # T_k(cos t) = cos(k t), by the operator's eigenvectors
    values, vectors = torch.linalg.eigh(operator)
    expected = layer.linear.bias.expand(2, 12, 4)
    for k in range(order):
        power = vectors @ torch.diag((k * values.clamp(-1, 1).acos()).cos()) @ vectors.T
        expected = expected + power @ x @ weights[:, k].T
    torch.testing.assert_close(layer(x, ring_operator([12]).double()), expected)


def test_of_order_one_it_is_a_linear_layer() -> None:
    layer, x = ChebConv(3, 4, order=1).double(), noise(2, 6, 3)
    assert torch.equal(layer(x, ring_operator([6]).double()), layer.linear(x))


def test_a_ring_turned_gives_the_same_turned() -> None:
    torch.manual_seed(0)
    layer, x, operator = ChebConv(3, 4, order=5).double(), noise(2, 10, 3), ring_operator([10]).double()
    torch.testing.assert_close(layer(x.roll(3, 1), operator), layer(x, operator).roll(3, 1))


def test_a_node_sees_order_minus_one_steps_far() -> None:
    torch.manual_seed(0)
    layer, x = ChebConv(1, 1, order=4).double(), noise(1, 12, 1).requires_grad_()
    layer(x, ring_operator([12]).double())[0, 0].backward()
    assert x.grad is not None
    assert x.grad[0, :, 0].nonzero().flatten().tolist() == [0, 1, 2, 3, 9, 10, 11]


def test_an_order_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="order=0 has no polynomial"):
        ChebConv(3, 4, order=0)
