from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.encoders import DualPathEncoder


def seen_by(encoder: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """What each block gets, the shortcut left out."""
    seen: list[torch.Tensor] = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    encoder(x)
    return seen


def test_blocks_see_the_pooled_input_beside_the_pooled_row() -> None:
    torch.manual_seed(0)
    encoder = DualPathEncoder(4, channels=[4, 6, 7, 8]).double()
    x = torch.randn(1, 4, 16, 24, dtype=torch.float64)
    features = encoder(x)
    assert torch.equal(features[0], x)
    first, second, third = seen_by(encoder, x)
    torch.testing.assert_close(first, F.avg_pool2d(x, 2))
    torch.testing.assert_close(second, torch.cat([F.avg_pool2d(features[1], 2), F.avg_pool2d(x, 4)], 1))
    torch.testing.assert_close(third, torch.cat([F.avg_pool2d(features[2], 2), F.avg_pool2d(x, 8)], 1))


@pytest.mark.parametrize("ndim", [2, 3])
def test_without_the_second_path_blocks_see_the_row_above(ndim: int) -> None:
    encoder = DualPathEncoder(4, channels=[4, 6, 7], ndim=ndim, dual=False)
    assert [t.shape[1] for t in seen_by(encoder, torch.zeros(1, 4, *(8,) * ndim))] == [4, 6]


def test_an_image_is_lifted_to_the_first_width(count: Callable[[nn.Module], int]) -> None:
    encoder = DualPathEncoder(3, channels=[4, 6])
    assert encoder(torch.zeros(1, 3, 4, 4))[0].shape == (1, 4, 4, 4)
    assert count(encoder.lift) == 3 * 4 * 9 + 4
