"""What every named model promises, at tiny widths; a new one is tested by a YAML and a line in tiny.yaml."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from unetzoo import create_model, list_models
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.network import SegmentationNetwork
from unetzoo.onnx_export import export

TINY: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
# a multiple of most divisors, an odd size, one pixel short
SIZES: dict[int, list[tuple[int, ...]]] = {
    2: [(64, 96), (37, 53), (63, 95)],
    3: [(16, 16, 32), (9, 13, 11), (15, 15, 31)],
}

every_model = pytest.mark.parametrize("name", list_models())


def build(name: str) -> SegmentationNetwork:
    tiny = TINY[name]
    overrides = {key: value for key, value in tiny.items() if not key.startswith("_")}
    torch.manual_seed(0)
    given = {"in_channels": 2, "num_classes": 2} | tiny.get("_create", {})
    model = create_model(name, overrides=overrides, **given)
    # zeros and ones of a fresh network hide mistakes: give norms and biases something to get wrong
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for key, buffer in model.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                buffer.add_(0.5 * torch.rand_like(buffer))
    return model


@cache
def built(name: str) -> SegmentationNetwork:
    return build(name)


def sizes(name: str) -> list[tuple[int, ...]]:
    return [tuple(size) for size in TINY[name].get("_sizes", SIZES[built(name).ndim])]


def image(name: str, size: tuple[int, ...], batch: int = 2) -> Tensor:
    channels = built(name).in_channels
    return torch.randn(batch, channels, *size, generator=torch.Generator().manual_seed(1))


def labels(model: SegmentationNetwork, size: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    if model.activation == "sigmoid" and model.outputs > 1:
        return torch.randint(0, 2, (2, model.outputs, *size), generator=generator)
    return torch.randint(0, model.num_classes, (2, *size), generator=generator)


@every_model
def test_every_size_is_answered_and_every_parameter_is_trained(name: str) -> None:
    model = built(name).train()
    for size in sizes(name)[:2]:
        model.zero_grad()
        logits, auxiliary = model.forward_train(image(name, size), labels(model, size))
        assert {tuple(out.shape) for out in logits} == {(2, model.outputs, *size)}
        total = torch.stack([out.square().mean() for out in logits]).sum() + sum(auxiliary.values())
        total.backward()  # type: ignore[no-untyped-call]
        trained = [(key, p.grad) for key, p in model.named_parameters() if p.requires_grad]
        assert [key for key, grad in trained if grad is None or not grad.isfinite().all()] == []


@every_model
def test_half_precision_is_finite(name: str) -> None:
    model = built(name).train()
    model.zero_grad()
    size = sizes(name)[0]
    with torch.autocast("cpu", torch.bfloat16):
        logits, auxiliary = model.forward_train(image(name, size), labels(model, size))
    assert all(out.isfinite().all() for out in logits)
    total = torch.stack([out.float().square().mean() for out in logits]).sum() + sum(auxiliary.values())
    total.backward()  # type: ignore[no-untyped-call]
    # not asked of 3D: torch 2.15's bfloat16 weight gradient of Conv3d reads what nobody wrote on shallow maps
    finite = all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert finite or model.ndim == 3


@every_model
def test_state_dict_goes_round_and_lists_every_tensor_once(name: str) -> None:
    model = built(name).eval()
    state = model.state_dict()
    storages = [tensor.untyped_storage().data_ptr() for tensor in state.values() if tensor.numel()]
    assert len(set(storages)) == len(storages)
    other = build(name).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(state, strict=True)
    x = image(name, sizes(name)[1], batch=1)
    with torch.inference_mode():
        assert torch.equal(other(x), model(x))


@every_model
def test_onnx_runtime_agrees(name: str, tmp_path: Path, data_of: Callable[..., DataSpec]) -> None:
    model = build(name).eval()
    dynamic = not model.fixed_size_parts
    first, *others = sizes(name)
    network = OnnxNetwork(export(model, tmp_path / "model.onnx", data=data_of(model, first), dynamic=dynamic))
    for size in [first, *(others if dynamic else [])]:
        x = image(name, size, batch=3)
        with torch.inference_mode():
            expected = model(x).numpy()
        assert np.abs(network(x.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()
