import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks.region_nonlocal import RegionNonLocal


def block_of(ndim: int, grid: list[int]) -> RegionNonLocal:
    torch.manual_seed(0)
    block = RegionNonLocal(ndim, 4, grid=grid).double()
    nn.init.normal_(block.w.weight)  # type: ignore[arg-type]
    return block


def naive(block: RegionNonLocal, cell: Tensor) -> Tensor:
    """One cell (1, C, h, w) by the formula of Wang et al."""
    theta = block.theta(cell).flatten(2)[0]
    phi, g = (F.max_pool2d(layer(cell), 2).flatten(2)[0] for layer in (block.phi, block.g))
    affinity = (theta.T @ phi).softmax(1)
    seen = (affinity @ g.T).T.reshape(1, -1, *cell.shape[2:])
    out: Tensor = cell + block.w(seen)
    return out


def test_each_cell_equals_the_formula_for_that_cell_alone() -> None:
    block = block_of(2, [2, 3])
    x = torch.randn(1, 4, 8, 12, dtype=torch.float64)
    out = block(x)
    for top in (0, 4):
        for left in (0, 4, 8):
            cell = x[:, :, top : top + 4, left : left + 4]
            torch.testing.assert_close(out[:, :, top : top + 4, left : left + 4], naive(block, cell))


def test_a_map_that_does_not_divide_is_padded_by_its_border() -> None:
    block = block_of(2, [2, 3])
    x = torch.randn(2, 4, 7, 9, dtype=torch.float64)
    padded = F.pad(x, (0, 3, 0, 1), mode="replicate")
    torch.testing.assert_close(block(x), block(padded)[:, :, :7, :9])


@pytest.mark.parametrize(("ndim", "grid"), [(2, [4, 2]), (3, [4, 2]), (3, [1, 2, 2])])
def test_it_starts_as_the_identity(ndim: int, grid: list[int]) -> None:
    x = torch.randn(2, 4, *(3, 6, 9)[:ndim])
    assert torch.equal(RegionNonLocal(ndim, 4, grid=grid)(x), x)


def test_a_pixel_sees_nothing_outside_its_cell() -> None:
    block = block_of(2, [1, 2])
    x = torch.randn(1, 4, 4, 8, dtype=torch.float64, requires_grad=True)
    block(x)[:, :, :, :4].sum().backward()
    assert x.grad is not None
    assert x.grad[..., :4].abs().min() > 0
    assert x.grad[..., 4:].abs().max() == 0


def test_a_grid_of_too_many_axes_is_refused() -> None:
    with pytest.raises(ValueError, match="up to 2 numbers"):
        RegionNonLocal(2, 4, grid=[1, 2, 3])
