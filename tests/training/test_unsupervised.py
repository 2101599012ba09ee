"""Runs without labels: what is descended, what decides, and that no label is looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from unetzoo.checkpoints import read_checkpoint
from unetzoo.training import train
from unetzoo.unsupervised import UnsupervisedTask
from unetzoo.zoo import create_model

Compose = Callable[..., DictConfig]

W_NET = [
    "model=w_net",
    "model.encoder.block=null",
    "~loss",
    "task=unsupervised",
    "data.foreground=0",
    "optimizer.lr=0.005",
]


def test_the_best_checkpoint_has_the_least_loss_and_there_is_no_dice(config: Compose) -> None:
    run = train(config(*W_NET, "trainer.max_epochs=3"))
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    loss = rows[0].index("val/loss")
    assert "val/dice" not in rows[0]
    best = read_checkpoint(run / "checkpoints" / "best.ckpt")["unetzoo"]["metrics"]
    assert best["val/loss"] == pytest.approx(min(float(row[loss]) for row in rows[1:]), rel=1e-5)
    assert float(rows[-1][loss]) < float(rows[1][loss])
    # the terms of the loss stand beside their sum
    total, ncut, rebuilt = (rows[0].index(f"train/{n}") for n in ("loss", "ncut", "reconstruction"))
    assert float(rows[1][total]) == pytest.approx(float(rows[1][ncut]) + float(rows[1][rebuilt]), rel=1e-4)


def test_labels_change_nothing(config: Compose, pictures: Path, tmp_path: Path) -> None:
    weights = []
    for k in range(2):
        masks = tmp_path / f"masks{k}"
        masks.mkdir()
        for mask in (pictures / "masks").iterdir():
            size = np.asarray(Image.open(mask)).shape
            Image.fromarray(np.full(size, 255 * k, np.uint8)).save(masks / mask.name)
        cfg = config(*W_NET, "trainer.max_epochs=1", f"data.masks={masks}", f"run_dir={tmp_path / str(k)}")
        weights.append(read_checkpoint(train(cfg) / "checkpoints" / "best.ckpt")["state_dict"])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def task(model: str = "w_net", **options: Any) -> UnsupervisedTask:
    from tests.training.test_task import SPEC

    small: dict[str, Any] = {"encoder.channels": [4, 8]}
    small |= {"encoder.block": None} if model == "w_net" else {}
    network = create_model(model, encoder="conv2d", in_channels=1, num_classes=3, overrides=small)
    return UnsupervisedTask(network, None, torch.optim.AdamW, data=SPEC, **options)


def test_alternating_steps_take_turns_between_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    one = task(schedule="alternate")
    monkeypatch.setattr(one, "log", lambda *_, **__: None)
    batch: dict[str, Any] = {"image": torch.rand(2, 1, 16, 16), "case": ["x", "y"]}
    expected = one.losses(batch["image"])
    for step, name in enumerate(["ncut", "reconstruction", "ncut"]):
        monkeypatch.setattr(UnsupervisedTask, "global_step", step)
        torch.testing.assert_close(one.training_step(batch, step), expected[name])


def test_a_network_without_losses_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="UNet has no loss of its own to learn from without labels"):
        task("unet").losses(torch.rand(1, 1, 16, 16))
    with pytest.raises(ValueError, match=r"task\.schedule='turns' is unknown"):
        task(schedule="turns")
