"""What the contract tests of encoders, skips, decoders and models ask of any network."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from unetzoo.configs import ROOT
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.network import SegmentationNetwork
from unetzoo.onnx_export import export

Size = tuple[int, ...]
TINY_MODELS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "models/tiny.yaml").read_text()
)


def recorded_with_a_model(group: str) -> set[str]:
    """Options of a group (encoder, decoder) that a named model is made of whose export `make test` runs.

    Recording takes longest of all that a contract asks, so `make test` does it once and `make test-all` for
    every part by itself too.
    """
    files = (ROOT / "model" / f"{name}.yaml" for name, tiny in TINY_MODELS.items() if not tiny.get("_full"))
    return {
        found
        for file in files
        for found in re.findall(rf"- override {group}(?:@\S+)?: (\S+)", file.read_text(encoding="utf-8"))
    }


def disturb(model: nn.Module) -> None:
    """Zeros and ones of a fresh network hide mistakes: give norms and biases something to get wrong."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(0.5 * torch.rand_like(buffer))


def image(model: SegmentationNetwork, size: Size, batch: int = 2) -> Tensor:
    return torch.randn(batch, model.in_channels, *size, generator=torch.Generator().manual_seed(1))


def labels(model: SegmentationNetwork, size: Size) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    if model.activation == "sigmoid" and model.outputs > 1:
        return torch.randint(0, 2, (2, model.outputs, *size), generator=generator)
    return torch.randint(0, model.num_classes, (2, *size), generator=generator)


def train_step(model: SegmentationNetwork, size: Size) -> list[Tensor]:
    """Gradients of a training step in the network; returns the logits of its heads."""
    model.train().zero_grad()
    logits, auxiliary = model.forward_train(image(model, size), labels(model, size))
    total = torch.stack([out.float().square().mean() for out in logits]).sum() + sum(auxiliary.values())
    total.backward()  # type: ignore[no-untyped-call]
    return logits


def assert_answers_and_trains(model: SegmentationNetwork, size: Size) -> None:
    logits = train_step(model, size)
    assert {tuple(out.shape) for out in logits} == {(2, model.outputs, *size)}
    grads = [(name, p.grad) for name, p in model.named_parameters() if p.requires_grad]
    assert [name for name, grad in grads if grad is None or not grad.isfinite().all()] == []


def assert_finite_in_half_precision(model: SegmentationNetwork, size: Size) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        logits = train_step(model, size)
    assert all(out.isfinite().all() for out in logits)
    # not asked of 3D: torch 2.15's bfloat16 weight gradient of Conv3d reads what nobody wrote on shallow maps
    finite = all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert finite or model.ndim == 3


def assert_state_goes_round(model: SegmentationNetwork, other: SegmentationNetwork, size: Size) -> None:
    """Every tensor is listed once, and the other network of this config is then the same."""
    state = model.eval().state_dict()
    storages = [tensor.untyped_storage().data_ptr() for tensor in state.values() if tensor.numel()]
    assert len(set(storages)) == len(storages)
    with torch.no_grad():
        for parameter in other.eval().parameters():
            parameter.zero_()
    other.load_state_dict(state, strict=True)
    x = image(model, size, batch=1)
    with torch.inference_mode():
        assert torch.equal(other(x), model(x))


def assert_builds_without_memory(build: Callable[[], SegmentationNetwork], size: Size) -> SegmentationNetwork:
    with torch.device("meta"):
        model = build().eval()
        logits = model(torch.zeros(1, model.in_channels, *size))
    assert all(p.is_meta for p in model.parameters())
    assert logits.shape == (1, model.outputs, *size)
    return model


def assert_onnx_agrees(
    model: SegmentationNetwork, folder: Path, data_of: Callable[..., DataSpec], sizes: Sequence[Size]
) -> None:
    """At every size where the network takes any, else at the first."""
    dynamic = not model.eval().fixed_size_parts
    data = data_of(model, sizes[0])
    network = OnnxNetwork(export(model, folder / "model.onnx", data=data, dynamic=dynamic))
    for size in sizes if dynamic else sizes[:1]:
        x = image(model, size, batch=3)
        with torch.inference_mode():
            expected = model(x).numpy()
        assert np.abs(network(x.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
