from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.encoders import ConvEncoder, patch_embed
from unetzoo.heads import Head, PatchExpandingHead
from unetzoo.levels import Level
from unetzoo.nd import conv


def test_with_swin_ts_depth_it_has_the_authors_size(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        deeper = {"encoder.blocks": [1, 1, 3, 1], "decoder.blocks": [1, 1, 3]}
        model = create_model("swin_unet", in_channels=3, num_classes=9, overrides=deeper)
    assert count(model) == 41_380_836


def test_the_decoder_takes_timms_swin_too() -> None:
    tiny = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
    changes = {"encoder.options": tiny, "decoder.block.head_dim": 8, "decoder.block.window": 4}
    model = create_model(encoder="swin_tiny", decoder="swin", head="patch_expanding", overrides=changes)
    assert [gate.channels for gate in model.decoder.gates] == [8, 16, 32]
    logits = model(torch.randn(2, 3, 45, 70))
    assert logits.shape == (2, 2, 45, 70)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())


def test_rows_are_handed_on_as_they_enter_their_blocks() -> None:
    def encoder(**options: Any) -> Any:
        torch.manual_seed(0)
        strides = [(4, 4), (8, 8)]
        return ConvEncoder(3, channels=[4, 4], strides=strides, stem=patch_embed, **options).eval()

    x = torch.randn(1, 3, 16, 24)
    entering, leaving = encoder(entering=True), encoder()
    (early, bottleneck), (late, same) = entering(x), leaving(x)
    assert torch.equal(early, entering.stem(x))
    assert torch.equal(late, entering.stages[0](early))
    assert torch.equal(bottleneck, same)
    with pytest.raises(ValueError, match=r"at stride \(4, 4\) need an encoder\.stem"):
        ConvEncoder(3, channels=[4, 4], strides=[(4, 4), (8, 8)])


def test_the_head_expands_every_pixel_into_a_patch_of_its_own() -> None:
    torch.manual_seed(0)
    head: Any = PatchExpandingHead([Level(4, (2, 4)), Level(8, (4, 8))], 3)
    x = torch.randn(2, 4, 3, 5)
    logits = head([x])
    assert logits.shape == (2, 3, 6, 20)
    x[:, :, 1, 2] += torch.tensor([1.0, -1.0, 2.0, 0.0])
    changed = (head([x]) != logits).any(1)
    assert changed[:, 2:4, 8:12].all()
    assert changed.sum() == 2 * 8
    side = head.side([Level(8, (4, 8))], 3)
    assert type(side) is Head
    expected = F.interpolate(
        side.conv(y := torch.randn(1, 8, 2, 2)), scale_factor=(4.0, 8.0), mode="bilinear"
    )
    assert torch.equal(side([y]), expected)
    assert type(side.conv) is type(conv(2, 8, 3))
