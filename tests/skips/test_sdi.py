from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.levels import Gate, Level
from unetzoo.skips import SDI

ROWS = [Level(5, (1, 1)), Level(5, (2, 2)), Level(5, (8, 8))]
GATES = [Gate(5, (1, 1), ROWS[1]), Gate(5, (2, 2), ROWS[2])]


def pathway(**options: Any) -> Any:
    torch.manual_seed(0)
    return SDI(ROWS, GATES, channels=None, **options).double()


def features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 5, 16 // s, 24 // s, dtype=torch.float64, generator=generator) for s in (1, 2, 8)]


def factors(skip: Any, row: int, f: list[Tensor]) -> list[Tensor]:
    """conv3x3(resize(f[j])) for every j."""
    size = height, width = tuple(f[row].shape[2:])
    resized = [
        F.adaptive_avg_pool2d(x, (height, width))
        if x.shape[2] > height
        else F.interpolate(x, size, mode="bilinear")
        for x in f
    ]
    return [
        F.conv2d(x, layer.weight, layer.bias, padding=1)
        for x, layer in zip(resized, skip.convs[row], strict=True)
    ]


def test_every_row_is_the_product_of_all_rows() -> None:
    skip, f = pathway(), features()
    for row, out in enumerate(skip(f)):
        expected = torch.stack(factors(skip, row, f)).prod(0)
        torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)


def test_a_row_of_zeros_silences_the_product_and_leaves_the_safe_one_at_the_row_itself() -> None:
    f = features()
    f[1] = torch.zeros_like(f[1])
    for safe in (False, True):
        skip = pathway(safe=safe)
        for layer in skip.convs.modules():
            if isinstance(layer, nn.Conv2d):
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        own, _, other = factors(skip, 0, f)
        expected = own * (1 + other.tanh()) if safe else torch.zeros_like(own)
        torch.testing.assert_close(skip(f)[0], expected)


def test_the_safe_product_stays_within_a_fixed_multiple_of_the_row() -> None:
    skip, f = pathway(safe=True), [1e4 * x for x in features()]
    for row, out in enumerate(skip(f)):
        bound = 4 * factors(skip, row, f)[row].abs()
        assert (out.abs() <= bound * (1 + 1e-12)).all()
    assert pathway()(f)[0].abs().max() > 1e10


@pytest.mark.parametrize(("channels", "expected"), [(32, 36_992), (48, 83_136)])
def test_a_row_of_four_has_the_size_of_the_authors(
    channels: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    levels = [Level(c, (s, s)) for c, s in [(64, 4), (128, 8), (320, 16), (512, 32)]]
    gates = [Gate(channels, row.stride, levels[i + 1]) for i, row in enumerate(levels[:-1])]
    skip = SDI(levels, gates, channels=channels)
    assert [count(row) for row in skip.convs] == [expected] * 4
    assert [level.channels for level in skip.levels] == [channels] * 3 + [512]


def test_rows_of_several_widths_need_a_common_one() -> None:
    with pytest.raises(ValueError, match=r"rows of one width, got \[4, 5, 5\]"):
        SDI([Level(4, (1, 1)), *ROWS[1:]], GATES, channels=None)
