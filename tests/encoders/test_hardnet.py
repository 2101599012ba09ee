"""The link rule and the widths as printed in the paper's figures, and the published sizes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.blocks.hard_block import HarDBlock, hard_links, hard_width
from unetzoo.decoders import HarDNetDecoder
from unetzoo.encoders import HarDNetEncoder
from unetzoo.levels import Level


def test_a_layer_is_linked_by_the_powers_of_two_that_divide_it() -> None:
    assert [hard_links(i) for i in (1, 2, 3, 4, 6, 8, 12)] == [
        [0], [1, 0], [2], [3, 2, 0], [5, 4], [7, 6, 4, 0], [11, 10, 8],
    ]  # fmt: skip
    assert hard_links(16) == [15, 14, 12, 8, 0]
    assert all(len(hard_links(i)) == 1 for i in range(1, 64, 2))
    assert all(len(hard_links(i)) <= i.bit_length() for i in range(1, 200))


def test_widths_grow_with_the_links_and_are_even() -> None:
    widths = [hard_width(i, 10, 1.7) for i in range(1, 17)]
    assert widths == [10, 18, 10, 28, 10, 18, 10, 50, 10, 18, 10, 28, 10, 18, 10, 84]
    block = HarDBlock(2, 48, growth=10, layers=16)
    seen = [layer[0].in_channels for layer in block.layers]  # type: ignore[index]
    assert seen[:8] == [48, 58, 18, 76, 28, 38, 18, 104]
    assert seen[15] == 10 + 18 + 28 + 50 + 48


def test_output_is_the_odd_layers_and_the_last_without_the_input() -> None:
    block = HarDBlock(2, 6, growth=4, layers=4).eval()
    found: list[torch.Tensor] = []
    for layer in block.layers:
        layer.register_forward_hook(lambda _, __, y: found.append(y))
    y = block(torch.randn(1, 6, 5, 5))
    assert torch.equal(y, torch.cat([found[0], found[2], found[3]], 1))
    assert y.shape[1] == block.channels == HarDBlock.width(growth=4, multiplier=1.7, layers=4)


def test_a_convolution_of_links_is_a_sum_of_convolutions() -> None:
    torch.manual_seed(0)
    links = [torch.randn(1, c, 6, 7, dtype=torch.float64) for c in (3, 5, 2)]
    weight = torch.randn(4, 10, 3, 3, dtype=torch.float64)
    parts = torch.split(weight, [3, 5, 2], 1)
    apart = sum(F.conv2d(x, w, padding=1) for x, w in zip(links, parts, strict=True))
    torch.testing.assert_close(F.conv2d(torch.cat(links, 1), weight, padding=1), apart)


@pytest.mark.parametrize(
    ("name", "published", "last"),
    [
        ("hardnet39ds", 3_488_228, 1024),
        ("hardnet68ds", 4_180_602, 1024),
        ("hardnet68", 17_565_348, 1024),
        ("hardnet85", 36_670_212, 1280),
    ],
)
def test_backbones_have_the_published_size_less_the_classifier(
    name: str, published: int, last: int, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        encoder = create_model(encoder=name).encoder
    assert count(encoder) == published - 1000 * (last + 1)
    assert encoder.levels[-1] == Level(last, (32, 32))


def test_fc_hardnet_takes_its_skips_before_the_1x1_convolutions(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model: Any = create_model("fc_hardnet_70", num_classes=19)
    assert count(model.encoder) == 2_378_908
    assert [level.channels for level in model.encoder.levels] == [48, 78, 160, 214, 320]
    assert [level.channels for level in model.decoder.levels] == [48, 78, 160, 214]
    assert model.skip.merged == [126, 238, 374, 534]
    assert [block[0].out_channels for block in model.decoder.blocks] == [63, 119, 187, 267]


def test_volumes_are_encoded_too() -> None:
    small = {"channels": [4, 6], "growth": [2, 2], "layers": [2, 4], "down": [True]}
    encoder = HarDNetEncoder(1, ndim=3, stem=[3], stem_strides=[2], pool_stem=True, pool="max", **small)  # type: ignore[arg-type]
    features = encoder(torch.zeros(1, 1, 16, 8, 24))
    assert [f.shape[1:] for f in features] == [
        (level.channels, *(s // t for s, t in zip((16, 8, 24), level.stride, strict=True)))
        for level in encoder.levels
    ]


def test_refuses_lists_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="one number per block"):
        HarDNetEncoder(3, growth=[10, 16])
    rows = [Level(8, (2**i, 2**i)) for i in range(4)]
    with pytest.raises(ValueError, match=r"need 3 numbers"):
        partial(HarDNetDecoder, growth=[10, 16])(rows)
