from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.blocks import MultiRes, multi_res_up, plain_width
from unetzoo.levels import Level


@pytest.mark.parametrize(
    ("plain", "widths"),
    [
        (32, (8, 17, 26)),
        (64, (17, 35, 53)),
        (128, (35, 71, 106)),
        (256, (71, 142, 213)),
        (512, (142, 284, 427)),
    ],
)
def test_widths_are_the_papers(plain: int, widths: tuple[int, ...]) -> None:
    with torch.device("meta"):
        block: Any = MultiRes(2, 3, sum(widths))
    assert tuple(unit[0].out_channels for unit in block.chain) == widths
    assert plain_width(sum(widths)) == plain


def test_equals_the_formula_written_out() -> None:
    torch.manual_seed(0)
    block: Any = MultiRes(2, 3, 12, norm_name=None).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)

    def convolved(unit: Any, t: Tensor) -> Tensor:
        return F.conv2d(t, unit[0].weight, unit[0].bias, padding=unit[0].kernel_size[0] // 2)

    a = convolved(block.chain[0], x).relu()
    b = convolved(block.chain[1], a).relu()
    c = convolved(block.chain[2], b).relu()
    expected = (torch.cat([a, b, c], 1) + convolved(block.shortcut, x)).relu()
    torch.testing.assert_close(block(x), expected)


def test_the_last_of_the_chain_sees_seven_pixels() -> None:
    block = MultiRes(2, 1, 12, norm_name=None)
    x = torch.zeros(1, 1, 15, 15, requires_grad=True)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(1.0)
    block(x)[0, -1, 7, 7].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero()
    assert (int(seen.min()), int(seen.max())) == (4, 10)


def test_going_up_gives_the_plain_width() -> None:
    module, channels = multi_res_up(Level(853, (16, 16)), Level(426, (8, 8)))
    assert channels == 256
    assert sum(p.numel() for p in module.parameters()) == 853 * 256 * 4 + 256


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="of 5 channels has none for its first"):
        MultiRes(2, 3, 5)
