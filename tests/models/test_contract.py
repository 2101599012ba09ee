"""What every named model promises, at tiny widths; a new one is tested by a YAML and a line in tiny.yaml."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from tests import contracts
from tests.contracts import Size

from unetzoo import create_model, list_models
from unetzoo.inference.contract import DataSpec
from unetzoo.network import SegmentationNetwork

TINY = contracts.TINY_MODELS
# a multiple of most divisors, an odd size, one pixel short
SIZES: dict[int, list[Size]] = {
    2: [(64, 96), (37, 53), (63, 95)],
    3: [(16, 16, 32), (9, 13, 11), (15, 15, 31)],
}

every_model = pytest.mark.parametrize("name", list_models())
# recording takes longest: networks of many layers whose parts are recorded elsewhere leave it to test-all
every_recorded = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if TINY.get(name, {}).get("_full") else ())
        for name in list_models()
    ],
)


def build(name: str) -> SegmentationNetwork:
    tiny = TINY[name]
    overrides = {key: value for key, value in tiny.items() if not key.startswith("_")}
    torch.manual_seed(0)
    given = {"in_channels": 2, "num_classes": 2} | tiny.get("_create", {})
    model = create_model(name, overrides=overrides, **given)
    contracts.disturb(model)
    return model


@cache
def built(name: str) -> SegmentationNetwork:
    return build(name)


def sizes(name: str) -> list[Size]:
    return [tuple(size) for size in TINY[name].get("_sizes", SIZES[built(name).ndim])]


@every_model
def test_every_size_is_answered_and_every_parameter_is_trained(name: str) -> None:
    for size in sizes(name)[:2]:
        contracts.assert_answers_and_trains(built(name), size)


@every_model
def test_half_precision_is_finite(name: str) -> None:
    contracts.assert_finite_in_half_precision(built(name), sizes(name)[0])


@every_model
def test_state_dict_goes_round_and_lists_every_tensor_once(name: str) -> None:
    contracts.assert_state_goes_round(built(name), build(name), sizes(name)[1])


@every_recorded
def test_onnx_runtime_agrees(name: str, tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    contracts.assert_onnx_agrees(build(name), tmp_path, data_of, sizes(name))
