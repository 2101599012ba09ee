from typing import Any

import pytest

from unetzoo import create_model
from unetzoo.safe import check_targets


def test_models_of_the_config_tree_pass() -> None:
    for kwargs in (
        {"model": "unet_plus_plus"},
        {"skip": ["nested", "attention_gate"]},
        {"decoder": "linknet", "skip": "add"},
    ):
        model = create_model(encoder="resnet10t", **kwargs)
        assert model.config is not None
        check_targets(model.config, "model")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        # reached through what a module of ours imports
        "unetzoo.training.os.system",
        "unetzoo.encoders.timm.os.system",
        "unetzoo.encoders.timm.torch.load",
        # ours, but taking names, configs or commands themselves
        "unetzoo.cli.main",
        "unetzoo.zoo.build",
        "unetzoo.create_model",
        "unetzoo.hub.load",
        "unetzoo.encoders.timm._create",
        "unetzoo.no_such_module.Thing",
        "unetzoo",
        "",
    ],
)
def test_foreign_targets_are_refused_wherever_they_hide(target: str) -> None:
    hidden: list[dict[str, Any]] = [
        {"_target_": target},
        {"_target_": "unetzoo.unet.UNet", "encoder": {"_target_": target}},
        {"skip": {"steps": [{"a": ({"_target_": target, "_partial_": True},)}]}},
    ]
    for config in hidden:
        with pytest.raises(ValueError, match="file: its config would call") as caught:
            check_targets(config, "file")
        assert repr(target) in str(caught.value)


def test_what_is_no_name_is_no_target() -> None:
    with pytest.raises(ValueError, match="would call"):
        check_targets({"_target_": 3}, "file")
    with pytest.raises(ValueError, match="would call"):
        check_targets({"_target_": ["os.system"]}, "file")


def test_interpolations_that_could_make_a_target_are_refused() -> None:
    # resolved while it is instantiated, this becomes a mapping with a target
    config = {"_target_": "unetzoo.unet.UNet", "encoder": "${oc.create:{_target_: os.getcwd}}"}
    with pytest.raises(ValueError, match="file: its config holds the interpolation"):
        check_targets(config, "file")
