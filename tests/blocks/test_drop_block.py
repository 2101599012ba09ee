"""DropBlock drops whole blocks, the share it says, in training alone; its ramp, in a run."""

from itertools import product

import pytest
import torch
from torch import Tensor

from unetzoo.blocks import DropBlock


def ones(*size: int) -> Tensor:
    torch.manual_seed(0)
    return torch.ones(size)


def test_is_the_identity_in_evaluation_and_for_p_of_zero() -> None:
    x = ones(1, 2, 9, 9)
    assert DropBlock(0.5).eval()(x) is x
    assert DropBlock(0.0).train()(x) is x
    assert not DropBlock().state_dict()


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("p", "size"), [(0.1, 7), (0.1, 3), (0.05, 4)])
def test_the_share_that_is_dropped_is_p_or_a_little_less_and_the_mean_stays(
    p: float, size: int, per_channel: bool
) -> None:
    # 64 x 8 maps of 32 x 32, or as many masks as with per_channel: three standard deviations are within 5 %
    x = ones(64 if per_channel else 512, 8, 32, 32)
    y = DropBlock(p, size=size, per_channel=per_channel)(x)
    dropped = (y == 0).float().mean().item()
    assert 0.85 * p <= dropped <= 1.05 * p
    assert y.mean().item() == pytest.approx(1, abs=1e-3)
    same = (y == y[:, :1]).all().item()
    assert same is not per_channel


def test_a_share_is_dropped_in_volumes_too() -> None:
    y = DropBlock(0.1, size=3)(ones(16, 8, 12, 14, 16))
    assert 0.085 <= (y == 0).float().mean().item() <= 0.105


@pytest.mark.parametrize("size", [2, 3])
def test_what_is_dropped_is_a_union_of_whole_blocks_inside_the_map(size: int) -> None:
    torch.manual_seed(0)
    dropped = DropBlock(0.2, size=size).mask(torch.ones(20, 1, 8, 9)) == 0
    assert dropped.any()
    covered = torch.zeros_like(dropped)
    for i, j in product(range(8 - size + 1), range(9 - size + 1)):
        whole = dropped[:, :, i : i + size, j : j + size].flatten(2).all(2)[..., None, None]
        covered[:, :, i : i + size, j : j + size] |= whole
    assert torch.equal(covered, dropped)


def test_blocks_of_one_pixel_are_ordinary_dropout() -> None:
    y = DropBlock(0.3, size=1)(ones(8, 16, 32, 32))
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_gradient_is_zero_exactly_where_it_was_dropped() -> None:
    x = torch.randn(4, 4, 16, 16).requires_grad_()
    torch.manual_seed(0)
    y = DropBlock(0.3, size=3)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, y == 0)
    assert (y == 0).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_a_map_that_is_dropped_whole_is_zero_and_not_nan(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    maps = [DropBlock(0.9, size=7)(torch.ones(1, 1, *size)) for _ in range(20)]
    assert all(m.isfinite().all() for m in maps)
    assert any((m == 0).all() for m in maps)


def test_progress_scales_p() -> None:
    drop = DropBlock(0.2, size=3)
    drop.progress.fill_(0.0)
    x = ones(8, 8, 32, 32)
    assert torch.equal(drop(x), x)
    drop.progress.fill_(0.5)
    assert 0.085 <= (drop(x) == 0).float().mean().item() <= 0.105


def test_compiles_in_training_as_one_graph() -> None:
    torch.compiler.reset()
    drop = torch.compile(DropBlock(0.2, size=3), fullgraph=True, backend="eager")
    x = ones(2, 2, 16, 16)
    torch.manual_seed(3)
    compiled = drop(x)
    torch.manual_seed(3)
    assert torch.equal(compiled, DropBlock(0.2, size=3)(x))


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="p=1 is no share to drop"):
        DropBlock(1)
    with pytest.raises(ValueError, match="size=0 is no block"):
        DropBlock(size=0)
