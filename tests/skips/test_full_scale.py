from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import FullScaleSkip

ROWS = [Level(3, (1, 1)), Level(5, (2, 2)), Level(4, (4, 4)), Level(6, (8, 8))]
GATES = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(ROWS)]


def features(ndim: int = 2) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(2, row.channels, *[16 // row.stride[0]] * ndim, dtype=torch.float64, requires_grad=True)
        for row in ROWS
    ]


def test_every_row_is_the_papers_concatenation_finest_scale_first() -> None:
    skip: Any = FullScaleSkip(ROWS, GATES, channels=7).double().eval()
    x = features()
    rows = skip(x)
    for i in range(3):
        expected = []
        for k in range(i + 1):
            pooled = F.max_pool2d(x[k], 2 ** (i - k)) if k < i else x[k]
            conv = skip.branches[i][k][1]
            expected.append(F.conv2d(pooled, conv.weight, conv.bias, padding=1).div((1 + 1e-5) ** 0.5).relu())
        torch.testing.assert_close(rows[i], torch.cat(expected, 1), rtol=1e-12, atol=1e-12)
    assert rows[3] is x[3]


def test_a_row_depends_on_its_own_and_the_finer_scales_alone() -> None:
    skip = FullScaleSkip(ROWS, GATES, channels=2).double()
    for i, row in enumerate(skip(features())[:3]):
        x = features()
        row = skip(x)[i]
        grads = torch.autograd.grad(row.square().sum(), x, allow_unused=True)
        assert [grad is not None and bool(grad.any()) for grad in grads] == [k <= i for k in range(4)]


@pytest.mark.parametrize("widths", [(3, 5, 4, 6), (8, 8, 8, 8)])
def test_every_scale_contributes_the_same_width_whatever_the_encoders(widths: tuple[int, ...]) -> None:
    rows = [Level(c, row.stride) for c, row in zip(widths, ROWS, strict=True)]
    skip = FullScaleSkip(rows, GATES, channels=7)
    assert [level.channels for level in skip.levels] == [7, 14, 21, widths[-1]]


def test_thick_slices_are_pooled_less() -> None:
    rows = [Level(2, (1, 1, 1)), Level(3, (1, 2, 2)), Level(4, (2, 4, 4)), Level(4, (2, 8, 8))]
    gates = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(rows)]
    x = [torch.randn(1, c, *(n // s for n, s in zip((4, 16, 8), stride, strict=True))) for c, stride in rows]
    shapes = [tuple(row.shape[1:]) for row in FullScaleSkip(rows, gates, channels=2).eval()(x)]
    assert shapes == [(2, 4, 16, 8), (4, 4, 8, 4), (6, 2, 4, 2), (4, 2, 2, 1)]
