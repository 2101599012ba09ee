from typing import Any

import pytest
import torch

import unetzoo
from unetzoo import create_model
from unetzoo.configs import ROOT


def test_listings_are_the_folders() -> None:
    assert unetzoo.list_skips() == sorted(p.stem for p in (ROOT / "model/skip").glob("*.yaml"))
    assert {"unet", "attention_unet", "unet_plus_plus", "linknet"} <= set(unetzoo.list_models())
    assert {"attention_unet_paper", "unet_paper", "unet_plus_plus_paper"} <= set(
        unetzoo.list_models("*_paper")
    )
    assert {"conv", "linknet"} <= set(unetzoo.list_decoders())
    assert {"binary", "multiclass", "multilabel"} <= set(unetzoo.list_heads())
    # ours and timm's
    assert {"conv3d", "residual2d", "tf_efficientnetv2_s"} <= set(unetzoo.list_encoders())


@pytest.mark.parametrize("encoder", sorted(p.stem for p in (ROOT / "model/encoder").glob("*.yaml")))
def test_every_listed_encoder_publishes_its_rows(encoder: str) -> None:
    with torch.device("meta"):
        model = create_model("unet", encoder=encoder, in_channels=1)
    strides = [max(level.stride) for level in model.encoder.levels]
    assert strides == sorted(set(strides))


def test_overrides_reach_any_part() -> None:
    model: Any = create_model(
        encoder="conv2d",
        skip="nested",
        head="multilabel",
        num_classes=5,
        overrides={"encoder.channels": [4, 6], "decoder.up": "transposed", "decoder.channels": [3]},
    )
    assert model.decoder.ups[0].kernel_size == (2, 2)
    assert model.heads[0].conv.out_channels == 5
    assert model.config["encoder"]["channels"] == [4, 6]


def test_weights_may_be_named_behind_a_dot_as_in_timm() -> None:
    assert create_model(encoder="resnet10t.c3_in1k").encoder.levels[-1].channels == 512


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "unett"}, "no model named 'unett'; did you mean unet"),
        ({"skip": "conact"}, "no skip named 'conact'; did you mean concat"),
        ({"skip": ["nested", "gate"]}, "no skip named 'gate'"),
        ({"decoder": "deconv"}, "no decoder named 'deconv'; did you mean conv"),
        ({"head": "multclass"}, "no head named 'multclass'; did you mean multiclass"),
        ({"encoder": "resnet43"}, "no encoder named 'resnet43'; did you mean resnet"),
        ({"overrides": {"encodr.depth": 3}}, "override 'encodr.depth': the model's config has no 'encodr'"),
        ({"overrides": {"encoder.chanels": 3}}, "unexpected keyword argument 'chanels'"),
        ({"encoder": "conv2d", "pretrained": True}, "encoder conv2d has no pretrained weights"),
        ({"encoder": "resnet10t", "head": "binary", "num_classes": 3}, "binary head is for 2 classes, got 3"),
        (
            {"encoder": "resnet10t", "overrides": {"decoder.channels": [8]}},
            "decoder.channels lists 1 widths .* one per stride",
        ),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_model(**arguments)
