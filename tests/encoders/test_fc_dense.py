"""Widths of FC-DenseNet103 as in the paper's table 2, and what is handed on where."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks.dense_block import DenseBlock
from unetzoo.decoders import FCDenseDecoder
from unetzoo.levels import Level


def test_rows_of_the_103_are_those_of_the_paper(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model: Any = create_model("fc_densenet_103", num_classes=11)
    assert [level.channels for level in model.encoder.levels] == [112, 192, 304, 464, 656, 240]
    assert [gate.channels for gate in model.decoder.gates] == [80, 112, 160, 192, 240]
    assert model.skip.merged == [192, 304, 464, 656, 896]
    assert [level.channels for level in model.decoder.levels] == [256, 80, 112, 160, 192]
    running = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    assert count(model) + running == 9_425_163


def test_each_layer_sees_the_input_and_all_layers_before_it() -> None:
    torch.manual_seed(0)
    block = DenseBlock(2, 3, layers=3, growth=2).eval()
    x = torch.randn(1, 3, 5, 6)
    one = block.layers[0](x)
    two = block.layers[1](torch.cat([x, one], 1))
    three = block.layers[2](torch.cat([x, one, two], 1))
    assert torch.equal(block(x), torch.cat([one, two, three], 1))


def test_only_the_finest_row_keeps_its_input() -> None:
    model: Any = create_model(
        "fc_densenet_56", overrides={"encoder.layers": [1, 2, 2], "decoder.layers": [1, 2]}
    ).eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        skips, decoded = model.decode(x)
        up = model.decoder.ups[0](decoded[0])[..., :8, :8]
        stack = torch.cat([skips[0], up], 1)
        torch.testing.assert_close(decoded[1][:, : stack.shape[1]], stack)
    assert [d.shape[1] for d in decoded] == [24, 60 + 24 + 12]


def test_dropout_acts_after_every_convolution_but_the_first_and_the_way_up() -> None:
    with torch.device("meta"):
        model = create_model("fc_densenet_67")
    drops = [m for m in model.modules() if isinstance(m, nn.Dropout2d)]
    assert len(drops) == 11 * 5 + 5
    assert {m.p for m in drops} == {0.2}


def test_too_few_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decoder.layers \[4\] needs 2 numbers"):
        FCDenseDecoder([Level(8, (2**i, 2**i)) for i in range(3)], layers=[4])
