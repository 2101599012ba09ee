from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unetzoo.blocks import AttentionGatedConv, GatedConv, gated_down, gated_up
from unetzoo.levels import Level


@pytest.mark.parametrize("kind", [AttentionGatedConv, GatedConv])
@pytest.mark.parametrize("size", [(6, 7), (4, 5, 6)])
def test_output_is_the_value_damped(kind: Any, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    block = kind(len(size), 3, 4).eval()
    x = torch.randn(2, 3, *size)
    value = block.value(x)
    out = block(x)
    assert out.shape == (2, 4, *size)
    assert (out.abs() <= value.abs()).all()
    assert (out * value >= 0).all()


def test_the_attention_of_a_pixel_sees_seven_pixels_twice_and_the_mask() -> None:
    block: Any = AttentionGatedConv(2, 1, 1)
    v = torch.zeros(1, 1, 25, 25, requires_grad=True)
    with torch.no_grad():
        for parameter in block.attention.parameters():
            parameter.fill_(0.01)
    block.attention(v)[0, 0, 12, 12].backward()
    assert v.grad is not None
    seen = v.grad[0, 0].nonzero()
    assert (int(seen.min()), int(seen.max())) == (12 - 7, 12 + 7)


def test_borders_are_repeated() -> None:
    block: Any = GatedConv(2, 2, 3)
    x = torch.randn(1, 2, 5, 6)
    pad, layer = block.gate[0]
    expected = F.conv2d(F.pad(x, [1] * 4, mode="replicate"), layer.weight, layer.bias)
    assert torch.equal(layer(pad(x)), expected)


def test_ways_down_and_up_deliver_the_row_they_lead_to() -> None:
    fine, coarse = Level(4, (1, 1, 2)), Level(6, (1, 2, 4))
    down, width = gated_down(fine, coarse)
    assert width == 6
    assert down(torch.randn(2, 4, 3, 8, 8)).shape == (2, 6, 3, 4, 4)
    up, width = gated_up(coarse, fine)
    assert width == 4
    assert up(torch.randn(2, 6, 3, 4, 4)).shape == (2, 4, 3, 8, 8)
