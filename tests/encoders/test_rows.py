from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.encoders import ConvEncoder, RowsEncoder, TimmEncoder
from unetzoo.levels import Level

inner = partial(ConvEncoder, channels=[2, 3, 4, 5], norm=None)


def rows(**options: Any) -> RowsEncoder:
    torch.manual_seed(0)
    return RowsEncoder(3, encoder=inner, **options)


def test_chosen_rows_are_the_encoders_own() -> None:
    encoder = rows(rows=[1, -1])
    assert encoder.levels == [Level(3, (2, 2)), Level(5, (8, 8))]
    x = torch.randn(1, 3, 16, 24)
    every = encoder.encoder(x)
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), [every[1], every[3]], strict=True))
    assert rows().levels == encoder.encoder.levels


def test_pooled_rows_stand_at_the_next_stride() -> None:
    encoder = rows(rows=[0, 1, 3], pooled=True)
    assert encoder.levels == [Level(2, (2, 2)), Level(3, (4, 4)), Level(5, (8, 8))]
    x = torch.randn(1, 3, 16, 24)
    every = encoder.encoder(x)
    expected = [F.max_pool2d(every[0], 2), F.max_pool2d(every[1], 2), every[3]]
    assert all(torch.equal(a, b) for a, b in zip(encoder(x), expected, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [0, 4]}, r"rows=\[0, 4\] must go up within this encoder's rows, 0 to 3"),
        ({"rows": [1, 0, 3]}, "must go up"),
        ({"rows": [0, 0, 3]}, "must go up"),
        ({"rows": [0, 1]}, "leaves out the bottleneck, row 3"),
        ({"rows": []}, "leaves out the bottleneck, row 3"),
        ({"rows": [1, 2, 3], "pooled": True}, r"end at the strides \[4, 8, 8\]"),
    ],
)
def test_refuses_what_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows(**options)


def test_a_dilated_backbone_has_one_row_per_stride_and_no_unused_stage() -> None:
    small = {"channels": [4, 8, 12, 16], "stem_width": 4}
    strided = TimmEncoder(3, name="resnet10t", options=small)
    dilated = TimmEncoder(3, name="resnet10t", options=small | {"output_stride": 16})
    assert [level.stride[0] for level in dilated.levels] == [2, 4, 8, 16]
    assert dilated.levels[-1] == Level(16, (16, 16))
    dilated.load_state_dict(strided.state_dict(), strict=True)
    features = dilated(torch.randn(2, 3, 64, 96))
    assert [f.shape[1:] for f in features] == [(8, 32, 48), (4, 16, 24), (8, 8, 12), (16, 4, 6)]
    torch.stack([f.mean() for f in features]).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in dilated.parameters())


def test_weights_are_asked_for_inside_the_wrapper() -> None:
    def build(config: Any) -> nn.Module:
        assert config["encoder"]["encoder"]["pretrained"] is True
        assert "pretrained" not in config["encoder"]
        return nn.Identity()

    with patch("unetzoo.zoo.build", build):
        create_model("unet", encoder="rows", pretrained=True)
