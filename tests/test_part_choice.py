"""A named model takes other parts than its own, and what it says of its own does not reach them."""

from typing import Any

import pytest
import torch

from unetzoo import create_model
from unetzoo.cli import main
from unetzoo.part_choice import taken_back

TINY: dict[str, Any] = {"encoder.options": {"channels": [8, 8, 16, 16], "stem_width": 8}}


@pytest.mark.parametrize("model", ["unet_paper", "unet_3plus", "unet_plus_plus_paper", "u2_net", "wide_unet"])
def test_a_paper_network_goes_with_a_timm_encoder(model: str) -> None:
    with torch.device("meta"):
        network = create_model(model, encoder="resnet10t", overrides=TINY)
    assert [row.channels for row in network.encoder.levels][1:] == [8, 8, 16, 16]


def test_settings_that_the_other_part_knows_stay() -> None:
    with torch.device("meta"):
        network: Any = create_model("unet_paper", encoder="residual2d")
    assert [row.channels for row in network.encoder.levels] == [64, 128, 256, 512, 1024]


def test_an_encoder_around_another_keeps_around_the_one_chosen() -> None:
    with torch.device("meta"):
        network: Any = create_model("deeplab_v3_plus", encoder="resnet10t")
    assert network.encoder.encoder.name == "resnet10t"
    assert [max(row.stride) for row in network.encoder.levels] == [4, 16]


def test_what_is_taken_back_is_what_the_other_part_does_not_know() -> None:
    swapped = ["model=unet_3plus", "model/encoder=resnet34"]
    assert [w for w in taken_back(swapped) if w[0] == "~"] == [
        "~model.encoder.channels",
        "~model.encoder.bias",
    ]
    assert "~model.encoder.bias" not in taken_back([*swapped, "+model.encoder.bias=true"])
    for own in (
        ["model=unet_3plus"],
        ["model=unet_3plus", "model/encoder=conv2d"],
        ["model/encoder=resnet34"],
    ):
        assert taken_back(own) == []


def test_the_command_line_does_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "model=unet_3plus", "model/encoder=resnet18", "--cfg", "job"]) == 0
    shown = capsys.readouterr().out
    assert "name: resnet18" in shown
    assert "bias" not in shown.split("encoder:")[1].split("skip:")[0]


def test_explain_builds_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "model=unet_paper", "model/encoder=resnet18", "data=folder"]) == 0
    assert "unet_paper: encoder resnet18" in capsys.readouterr().out


def test_a_wrapped_encoder_is_named_where_another_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "model=deeplab_v3_plus", "model/encoder=resnet18", "--cfg", "job"]) == 2
    assert "choose that one, model/encoder@model.encoder.encoder=..." in capsys.readouterr().err
