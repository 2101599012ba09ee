"""What every encoder promises under a plain U-Net, at tiny widths; a new one is tested by having a YAML."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests import contracts

from unetzoo import create_model
from unetzoo.configs import ROOT
from unetzoo.inference.contract import DataSpec
from unetzoo.levels import Level
from unetzoo.unet import UNet

NAMES = sorted(path.stem for path in (ROOT / "model/encoder").glob("*.yaml"))
# these, or a smaller one of their family, stand in the contract of the skips with every pathway
COVERED = {
    *("conv2d", "conv3d", "residual2d", "residual3d", "timm", "resnet18", "resnet34", "resnet50"),
    *("efficientnet_b0", "convnext_tiny", "swin_tiny", "mobilenetv3_large"),
}
TINY: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text()) or {}
# multiples of most divisors, odd sizes, one pixel short
SIZES: dict[int, list[tuple[int, ...]]] = {
    2: [(64, 96), (37, 53), (63, 95)],
    3: [(16, 16, 32), (9, 13, 11), (15, 15, 31)],
}

every_encoder = pytest.mark.parametrize("name", NAMES)
every_other = pytest.mark.parametrize("name", [name for name in NAMES if name not in COVERED])
APART = contracts.recorded_with_a_model("encoder") | {
    name for name, tiny in TINY.items() if tiny.get("_full")
}
every_recorded = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if name in APART else ())
        for name in NAMES
        if name not in COVERED
    ],
)


def build(name: str) -> UNet:
    tiny = TINY.get(name, {})
    overrides = {key: value for key, value in tiny.items() if not key.startswith("_")}
    given = {"skip": "concat", "decoder": "conv", "in_channels": 2, "num_classes": 3}
    torch.manual_seed(0)
    model = create_model(
        encoder=name,
        overrides={"decoder.channels": [4, 4, 8, 8, 8, 8, 8]} | overrides,
        **(given | tiny.get("_create", {})),
    )
    contracts.disturb(model)
    return model


@cache
def built(name: str) -> UNet:
    return build(name)


def sizes(name: str) -> list[tuple[int, ...]]:
    return [tuple(size) for size in TINY.get(name, {}).get("_sizes", SIZES[built(name).ndim])]


@every_encoder
def test_levels_tell_the_truth(name: str) -> None:
    model = built(name).eval()
    size = sizes(name)[0]
    with torch.inference_mode():
        padded = model.pad(contracts.image(model, size, batch=1))
        rows = model.encoder(padded)
    assert model.encoder.levels == [
        Level(row.shape[1], tuple(a // b for a, b in zip(padded.shape[2:], row.shape[2:], strict=True)))
        for row in rows
    ]


@every_encoder
def test_builds_without_memory_for_weights(name: str) -> None:
    model = contracts.assert_builds_without_memory(lambda: build(name), sizes(name)[1])
    assert isinstance(model, UNet)
    assert model.encoder.levels == built(name).encoder.levels


@every_other
def test_every_size_is_answered_and_every_parameter_is_trained(name: str) -> None:
    for size in sizes(name)[:2]:
        contracts.assert_answers_and_trains(built(name), size)


@every_other
def test_half_precision_is_finite(name: str) -> None:
    contracts.assert_finite_in_half_precision(built(name), sizes(name)[0])


@every_other
def test_state_dict_goes_round_and_lists_every_tensor_once(name: str) -> None:
    contracts.assert_state_goes_round(built(name), build(name), sizes(name)[1])


@every_recorded
def test_onnx_runtime_agrees(name: str, tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    contracts.assert_onnx_agrees(build(name), tmp_path, data_of, sizes(name))
