"""MALUNet's two blocks are the published ones."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo.blocks import DilatedGatedAttention, ExternalAttention, gated_external


def test_external_attention_is_normalised_over_pixels_and_then_over_the_memory() -> None:
    torch.manual_seed(0)
    block: Any = ExternalAttention(2, 4).double()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    tokens = block.into(x).flatten(2).mT
    attention = (tokens @ block.keys.weight[:, :, 0, 0].T).softmax(1)
    attention = attention / (attention.sum(2, keepdim=True) + 1e-9)
    found = (attention @ block.values.weight[:, :, 0, 0].T).mT.reshape_as(x)
    torch.testing.assert_close(block(x), F.gelu(x + block.out(found)))


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_group_of_channels_sees_its_own_distance(ndim: int) -> None:
    torch.manual_seed(0)
    block: Any = DilatedGatedAttention(ndim, 4, 8)
    seen = []
    for k, look in enumerate(block.parts):
        x = torch.zeros(1, 1, *[17] * ndim)
        x.view(-1)[17**ndim // 2] = 1
        y = look(x) - look(torch.zeros_like(x))
        seen.append(int((y != 0).nonzero()[:, 2:].sub(8).abs().max()))
        assert look.weight.shape == (1, 1, *[3] * ndim), k
    assert seen == [7, 5, 2, 1]
    with pytest.raises(ValueError, match="6 channels cannot be split into 4"):
        DilatedGatedAttention(ndim, 6, 8)


def test_a_shut_gate_leaves_the_shortcut_and_the_biases() -> None:
    torch.manual_seed(0)
    block: Any = DilatedGatedAttention(2, 4, 8)
    nn.init.zeros_(block.near[2].weight)
    nn.init.constant_(block.near[2].bias, -1e4)
    x = torch.randn(2, 4, 6, 5)
    joined = block.join(torch.cat([look(p) for look, p in zip(block.parts, x.chunk(4, 1), strict=True)], 1))
    expected = block.out(torch.zeros_like(joined)) + block.shortcut(joined)
    torch.testing.assert_close(block(x), expected)


def test_attention_comes_first_on_the_way_down_and_last_on_the_way_up() -> None:
    down, up = gated_external(2, 4, 8), gated_external(2, 8, 4, attention_first=False)
    assert [type(part) for part in down] == [type(part) for part in reversed(up)]
    assert isinstance(down[0], ExternalAttention)
