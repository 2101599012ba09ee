"""What every decoder promises in every dimension it is for; a new one is tested by having a YAML."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests import contracts
from torch import Tensor, nn

from unetzoo import create_model, list_decoders
from unetzoo.inference.contract import DataSpec
from unetzoo.levels import Level
from unetzoo.unet import UNet

TINY: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text()) or {}
# multiples of most divisors, odd sizes, one pixel short
SIZES: dict[int, list[tuple[int, ...]]] = {
    2: [(64, 96), (37, 53), (63, 95)],
    3: [(16, 16, 32), (9, 13, 11), (15, 15, 31)],
}


def build(name: str, ndim: int) -> UNet:
    tiny = TINY.get(name, {})
    overrides = {"encoder.channels": [4, 8, 12, 16], "encoder.norm": "batch", "deep_supervision": True}
    overrides |= {key: value for key, value in tiny.items() if not key.startswith("_")}
    given = {"encoder": f"conv{ndim}d", "in_channels": 2, "num_classes": 3} | tiny.get("_create", {})
    torch.manual_seed(0)
    model = create_model(decoder=name, overrides=overrides, **given)
    contracts.disturb(model)
    return model


def _pairs() -> Iterator[Any]:
    for name in list_decoders():
        for ndim in (2, 3):
            with torch.device("meta"):
                try:
                    model = build(name, ndim)
                except ValueError as error:
                    # any other refusal is a mistake and fails here, while tests are collected
                    if f"is not for {ndim}D" not in str(error):
                        raise
                else:
                    if model.ndim == ndim:
                        yield pytest.param(name, ndim, id=f"{name}-{ndim}d")


PAIRS = [*_pairs()]
every_decoder = pytest.mark.parametrize(("name", "ndim"), PAIRS)
APART = contracts.recorded_with_a_model("decoder")
every_recorded = pytest.mark.parametrize(
    ("name", "ndim"),
    [
        pytest.param(
            *pair.values,
            id=pair.id,
            marks=pytest.mark.full if pair.values[1] == 3 or pair.values[0] in APART else (),
        )
        for pair in PAIRS
    ],
)


@cache
def built(name: str, ndim: int) -> UNet:
    return build(name, ndim)


def sizes(name: str, ndim: int) -> list[tuple[int, ...]]:
    return [tuple(size) for size in TINY.get(name, {}).get("_sizes", SIZES[ndim])]


@every_decoder
def test_levels_and_gates_tell_the_truth(name: str, ndim: int) -> None:
    model = built(name, ndim).eval()
    seen: dict[nn.Module, Any] = {}
    handles = [
        module.register_forward_hook(lambda module, inputs, output: seen.update({module: (inputs, output)}))
        for module in (model.decoder, *model.skip.merges)
    ]
    with torch.inference_mode():
        padded = model.pad(contracts.image(model, sizes(name, ndim)[0]))
        model(padded)
    for handle in handles:
        handle.remove()

    def rows(tensors: list[Tensor]) -> list[Level]:
        return [
            Level(t.shape[1], tuple(a // b for a, b in zip(padded.shape[2:], t.shape[2:], strict=True)))
            for t in tensors
        ]

    assert rows(seen[model.decoder][1][::-1]) == model.decoder.levels
    met = [(merge, gate) for merge, gate in zip(model.skip.merges, model.decoder.gates, strict=True)]
    for merge, gate in met:
        # a decoder without skips calls no merge
        if merge in seen:
            _, brought, coarse = seen[merge][0]
            assert rows([brought, coarse]) == [Level(gate.channels, gate.stride), gate.coarse]


@every_decoder
def test_every_size_is_answered_and_every_parameter_is_trained(name: str, ndim: int) -> None:
    for size in sizes(name, ndim)[:2]:
        contracts.assert_answers_and_trains(built(name, ndim), size)


@every_decoder
def test_half_precision_is_finite(name: str, ndim: int) -> None:
    contracts.assert_finite_in_half_precision(built(name, ndim), sizes(name, ndim)[0])


@every_decoder
def test_state_dict_goes_round_and_lists_every_tensor_once(name: str, ndim: int) -> None:
    contracts.assert_state_goes_round(built(name, ndim), build(name, ndim), sizes(name, ndim)[1])


@every_decoder
def test_builds_without_memory_for_weights(name: str, ndim: int) -> None:
    contracts.assert_builds_without_memory(lambda: build(name, ndim), sizes(name, ndim)[1])


@every_recorded
def test_onnx_runtime_agrees(name: str, ndim: int, tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    contracts.assert_onnx_agrees(build(name, ndim), tmp_path, data_of, sizes(name, ndim))
