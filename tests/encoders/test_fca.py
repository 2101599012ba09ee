from collections.abc import Callable

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import Bottleneck, SqueezeExcite
from unetzoo.encoders import FcaEncoder


def test_fcanet_50_has_the_published_size(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        encoder = create_model("fca_unet", in_channels=3, num_classes=2).encoder
    classifier = 2048 * 1000 + 1000
    assert count(encoder) + classifier == 28_071_976


def test_without_attention_it_is_timms_resnet(count: Callable[[nn.Module], int]) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    small = {"channels": (16, 32), "blocks": (2, 1), "sizes": None}
    ours = FcaEncoder(3, **small).eval()  # type: ignore[arg-type]
    for module in ours.modules():
        if isinstance(module, Bottleneck):
            module.attention = nn.Identity()
    theirs = timm.create_model(
        "resnet50",
        **{"layers": [2, 1, 1, 1], "channels": [4, 8, 8, 8], "features_only": True},
        out_indices=(0, 1, 2),
    ).eval()
    # both list a block's convolutions in order and its projection last
    kept = {k: v for k, v in theirs.state_dict().items() if "layer3" not in k and "layer4" not in k}
    assert len(kept) == len(ours.state_dict())
    ours.load_state_dict(dict(zip(ours.state_dict(), kept.values(), strict=True)))
    x = torch.randn(1, 3, 32, 48)
    for row, expected in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(row, expected)


def test_attention_follows_the_last_norm_and_precedes_the_sum() -> None:
    torch.manual_seed(0)
    block = Bottleneck(2, 8, 8, attention=lambda n, c: SqueezeExcite(n, c, squeeze="dct")).eval()
    x = torch.randn(2, 8, 9, 5)
    f = block.body(x)
    attention = block.attention
    assert isinstance(attention, SqueezeExcite)
    torch.testing.assert_close(block(x), (x + f * attention.weights(f)).relu())


def test_every_stage_needs_its_numbers() -> None:
    with pytest.raises(ValueError, match=r"give encoder.blocks \[3, 4\] and encoder.sizes"):
        FcaEncoder(3, blocks=[3, 4])
