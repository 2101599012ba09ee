from typing import Any

import torch
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import DenseProductSkip

ROWS = [Level(4, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(6, (1, 1), ROWS[1])]


def pathway(**options: Any) -> Any:
    torch.manual_seed(0)
    return DenseProductSkip(ROWS, GATES, growth=2, layers=2, **options)


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, 6, 8), torch.randn(2, 6, 6, 8), torch.randn(2, 8, 3, 4)


def test_dense_feature_of_ones_leaves_the_attended_sum() -> None:
    merge = pathway().merges[0]
    nn.init.zeros_(merge.dense[-1].weight)  # its bias is one
    skip, gate, coarse = tensors()
    torch.testing.assert_close(merge(skip, gate, coarse), merge.attend(gate + merge.project(skip)))


def test_output_is_the_attended_sum_times_the_dense_feature() -> None:
    merge = pathway().merges[0]
    skip, gate, coarse = tensors()
    expected = merge.attend(gate + merge.project(skip)) * merge.dense(skip)
    torch.testing.assert_close(merge(skip, gate, coarse), expected)


def test_gradient_reaches_the_skip_by_both_factors() -> None:
    merge = pathway().merges[0]
    skip, gate, coarse = tensors()
    merge(skip, gate, coarse).square().sum().backward()
    for parameter in (merge.project.weight, merge.dense[0].layer[-1].weight):
        assert parameter.grad.abs().max() > 0


def test_identity_init_equals_the_sum_and_leaves_the_bottleneck() -> None:
    skip = pathway(identity_init=True).eval()
    fine, gate, coarse = tensors()
    merge = skip.merges[0]
    torch.testing.assert_close(merge(fine, gate, coarse), gate + merge.project(fine))
    torch.testing.assert_close(skip([fine, coarse])[1], coarse)
