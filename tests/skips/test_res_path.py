from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.levels import Gate, Level
from unetzoo.skips import ResPath


def rows(*channels: int) -> tuple[list[Level], list[Gate]]:
    levels = [Level(c, (2**i, 2**i)) for i, c in enumerate(channels)]
    return levels, [Gate(a.channels, a.stride, b) for a, b in pairwise(levels)]


def test_paths_have_the_size_of_the_authors(count: Callable[[nn.Module], int]) -> None:
    skip = ResPath(*rows(51, 105, 212, 426, 853), channels=[32, 64, 128, 256], bias=True)
    assert [count(path) for path in skip.paths] == [48_064, 150_656, 437_248, 1_092_608]
    assert [level.channels for level in skip.levels] == [32, 64, 128, 256, 853]


def test_the_shallower_the_row_the_longer_its_path() -> None:
    paths: Any = ResPath(*rows(4, 6, 8, 10)).paths
    assert [len(path) for path in paths] == [3, 2, 1]
    paths = ResPath(*rows(4, 6, 8, 10), lengths=[1, 3, 2]).paths
    assert [len(path) for path in paths] == [1, 3, 2]


def test_silent_convolutions_leave_the_shortcut_and_a_shortcut_of_ones_the_features() -> None:
    skip: Any = ResPath(*rows(4, 6), norm=None, lengths=[3])
    with torch.no_grad():
        for parameter in skip.parameters():
            parameter.zero_()
        for unit in skip.paths[0]:
            nn.init.dirac_(unit.shortcut[0].weight)
    features = [torch.rand(1, 4, 5, 6), torch.rand(1, 6, 3, 3)]
    assert all(torch.equal(a, b) for a, b in zip(skip(features), features, strict=True))


def test_every_norm_acts_once() -> None:
    skip = ResPath(*rows(4, 6))
    calls: list[nn.Module] = []
    for module in skip.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda module, inputs, output: calls.append(module))
    skip([torch.rand(2, 4, 5, 6), torch.rand(2, 6, 3, 3)])
    assert len(calls) == len(set(calls)) == 3


def test_a_number_for_each_row_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"lengths \[1\] and skip.channels \[4, 6\] must give one number"):
        ResPath(*rows(4, 6, 8), lengths=[1])
