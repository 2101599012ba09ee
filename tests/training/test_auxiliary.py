"""Auxiliary objectives act in training, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from omegaconf import DictConfig

from unetzoo import create_model, load
from unetzoo.configs import ROOT
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.onnx_export import export
from unetzoo.task import SegmentationTask
from unetzoo.training import train

NAMES = ["boundary", "distance"]


def auxiliary(*names: str) -> dict[str, Any]:
    files = [ROOT / "model/auxiliary" / f"{name}.yaml" for name in names]
    return {key: part for file in files for key, part in yaml.safe_load(file.read_text()).items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_learns_it_and_its_checkpoint_predicts(
    name: str, config: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: dict[str, list[float]] = {}

    def log(self: SegmentationTask, key: str, value: Any, **options: Any) -> None:
        logged.setdefault(key, []).append(float(torch.as_tensor(value).detach()))
        super(SegmentationTask, self).log(key, value, **options)

    monkeypatch.setattr(SegmentationTask, "log", log)
    train(config(f"model/auxiliary={name}", "trainer.max_epochs=4"))
    values = logged[f"train/{name}"]
    assert np.mean(values[-3:]) < np.mean(values[:3])
    assert all(part < whole for part, whole in zip(values, logged["train/loss"], strict=True))
    model = load(tmp_path / "run" / "checkpoints" / "last.ckpt").eval()
    assert [key for key, _ in model.objectives()] == [name]
    assert model(torch.zeros(1, 1, 17, 19)).shape == (1, model.outputs, 17, 19)


@pytest.mark.parametrize("ndim", [2, 3])
def test_prediction_and_export_are_those_of_the_network_without_it(
    ndim: int, tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    small = {"encoder.channels": [4, 8], "decoder.channels": [4]}
    torch.manual_seed(0)
    given: dict[str, Any] = {"encoder": f"conv{ndim}d", "in_channels": 1, "num_classes": 3}
    plain = create_model(**given, overrides=small).eval()
    model = create_model(**given, overrides=small | {"auxiliary": auxiliary(*NAMES)}).eval()
    more = model.load_state_dict(plain.state_dict(), strict=False)
    assert {key.split(".")[1] for key in more.missing_keys} == set(NAMES)
    size = (9, 10, 11)[:ndim]
    x = torch.randn(2, 1, *size)
    assert torch.equal(model(x), plain(x))
    _, losses = model.forward_train(x, torch.randint(0, 3, (2, *size)))
    assert losses.keys() == set(NAMES)
    files = [export(m, tmp_path / f"{i}.onnx", data=data_of(m, size)) for i, m in enumerate((plain, model))]
    sizes = [sum(len(w.raw_data) for w in onnx.load(file).graph.initializer) for file in files]
    assert sizes[0] == sizes[1]
    one, other = (OnnxNetwork(file)(x.numpy()) for file in files)
    np.testing.assert_array_equal(one, other)
