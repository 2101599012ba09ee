"""VM-UNet: depths of the published sizes, and where its skips meet the decoder."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model

TINY: dict[str, Any] = {
    "encoder.channels": [4, 6, 8],
    "encoder.strides": [[4, 4], [8, 8], [16, 16]],
    "encoder.blocks": [1, 1, 1],
    "encoder.block.state": 2,
    "encoder.bottleneck.count": 2,
    "skip.rows": [1],
    "decoder.blocks": [1, 1],
    "decoder.block.state": 2,
}


def test_the_deep_one_has_its_published_size(count: Callable[[nn.Module], int]) -> None:
    deep = {"encoder.blocks": [2, 2, 9, 1], "decoder.blocks": [2, 2, 9]}
    with torch.device("meta"):
        assert count(create_model("vm_unet", num_classes=1, overrides=deep)) == 44_273_833


@pytest.mark.parametrize(
    ("encoder", "blocks", "published"),
    [("vss", [2, 2, 9, 2], 22_893_448), ("vmamba_tiny", [2, 2, 8, 2], 30_249_064)],
)
def test_encoders_have_vmambas_size_without_its_classifier(
    encoder: str, blocks: list[int], published: int, count: Callable[[nn.Module], int]
) -> None:
    classifier = 2 * 768 + 768 * 1000 + 1000  # norm and logits
    with torch.device("meta"):
        model: Any = create_model(encoder=encoder, overrides={"encoder.blocks": blocks})
    assert count(model.encoder) == published - classifier


def test_rows_are_added_as_they_enter_their_blocks_to_what_is_expanded_next() -> None:
    torch.manual_seed(0)
    model: Any = create_model("vm_unet", overrides=TINY).eval()
    encoder, decoder = model.encoder, model.decoder
    x = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        at4 = encoder.stem(x)
        at8 = encoder.pools[0](encoder.stages[0](at4))
        at16 = encoder.pools[1](encoder.stages[1](at8))
        first, second = encoder.stages[2][1].blocks
        deepest = second(first(at16)) + at16
        up8 = decoder.blocks[1](decoder.ups[1](deepest)) + at8
        up4 = decoder.blocks[0](decoder.ups[0](up8))  # never meets at4
        torch.testing.assert_close(model(x), model.heads[0]([up4]))
