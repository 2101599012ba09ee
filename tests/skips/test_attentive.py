from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import AttentiveSkip


def merge_of(ndim: int, channels: int = 16, skip_channels: int | None = None, **options: Any) -> Any:
    torch.manual_seed(0)
    one, two = (1,) * ndim, (2,) * ndim
    rows = [Level(skip_channels or channels, one), Level(channels, two)]
    return AttentiveSkip(rows, [Gate(channels, one, rows[1])], **options).merges[0]


def tensors(ndim: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    skip, gate = torch.randn(2, 2, 16, *(6, 4, 8)[:ndim])
    return skip, gate, gate[..., ::2]


def test_parameters_are_those_of_the_authors_at_16_channels_in_3d(count: Callable[[nn.Module], int]) -> None:
    assert count(merge_of(3)) == 7_456


@pytest.mark.parametrize("ndim", [2, 3])
def test_output_lies_between_decoder_and_skip(ndim: int) -> None:
    skip, gate, coarse = tensors(ndim)
    out = merge_of(ndim)(skip, gate, coarse)
    rounding = 1e-6
    assert (out >= torch.minimum(skip, gate) - rounding).all()
    assert (out <= torch.maximum(skip, gate) + rounding).all()


def test_equal_inputs_come_out_as_they_are() -> None:
    skip, _, coarse = tensors()
    torch.testing.assert_close(merge_of(2)(skip, skip, coarse), skip)


def test_last_convolution_of_zeros_gives_the_mean() -> None:
    merge = merge_of(2)
    for parameter in merge.mix.parameters():
        nn.init.zeros_(parameter)
    skip, gate, coarse = tensors()
    torch.testing.assert_close(merge(skip, gate, coarse), (skip + gate) / 2)


def test_a_large_bias_hands_on_the_skip_and_a_small_one_the_decoder() -> None:
    merge = merge_of(2)
    skip, gate, coarse = tensors()
    for bias, expected in ((100.0, skip), (-100.0, gate)):
        nn.init.constant_(merge.mix.bias, bias)
        torch.testing.assert_close(merge(skip, gate, coarse), expected)


def test_identity_init_equals_the_sum() -> None:
    skip, gate, coarse = tensors()
    torch.testing.assert_close(merge_of(2, identity_init=True)(skip, gate, coarse), skip + gate)


def test_a_skip_of_another_width_is_projected() -> None:
    merge = merge_of(2, skip_channels=4)
    skip, gate, coarse = tensors()
    assert merge(skip[:, :4], gate, coarse).shape == gate.shape
