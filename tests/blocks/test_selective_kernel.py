from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetzoo.blocks import SelectiveKernel


def fusion(maps: int = 2) -> Any:
    torch.manual_seed(0)
    return SelectiveKernel(2, 16, maps=maps).double()


def inputs(maps: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [5 * torch.randn(2, 16, 3, 4, dtype=torch.float64, generator=generator) for _ in range(maps)]


@pytest.mark.parametrize("maps", [2, 3])
def test_weights_sum_to_one_for_every_channel(maps: int) -> None:
    weights = fusion(maps).weights(inputs(maps))
    assert weights.shape == (maps, 2, 16, 1, 1)
    torch.testing.assert_close(weights.sum(0), torch.ones_like(weights[0]))
    assert weights.std() > 0.01


def test_equal_maps_come_back_as_they_are() -> None:
    a = inputs()[0]
    torch.testing.assert_close(fusion()([a, a]), a)


def test_zero_logits_give_the_mean() -> None:
    made, maps = fusion(3), inputs(3)
    nn.init.zeros_(made.excite.weight)
    torch.testing.assert_close(made(maps), torch.stack(maps).mean(0))


def test_maps_may_be_swapped_along_with_their_logits() -> None:
    made, (a, b) = fusion(), inputs()
    expected = made([a, b])
    assert not torch.allclose(made([b, a]), expected)
    with torch.no_grad():
        made.excite.weight.copy_(made.excite.weight.roll(16, 0))
    torch.testing.assert_close(made([b, a]), expected)


def test_a_constant_added_to_the_logits_of_all_maps_changes_nothing() -> None:
    made, maps = fusion(), inputs()
    expected = made(maps)
    with torch.no_grad():
        made.excite.weight.add_(torch.randn(16, 4, 1, 1, dtype=torch.float64).repeat(2, 1, 1, 1))
    torch.testing.assert_close(made(maps), expected)


@pytest.mark.parametrize(
    ("channels", "expected"), [(24, 288), (48, 864), (64, 1_536), (96, 3_456), (128, 6_144)]
)
def test_has_the_size_of_the_authors(channels: int, expected: int, count: Callable[[nn.Module], int]) -> None:
    assert count(SelectiveKernel(2, channels)) == expected
