"""What a step optimises, what validation measures, and what is refused before or while training."""

import csv
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from unetzoo import training
from unetzoo.case_dice import case_dice
from unetzoo.checkpoints import read_checkpoint
from unetzoo.configs import ROOT
from unetzoo.inference.contract import IGNORE, ClassSpec, DataSpec, Normalisation
from unetzoo.inference.tiling import predict_tiled
from unetzoo.losses import CrossEntropy
from unetzoo.task import SegmentationTask
from unetzoo.training import train
from unetzoo.zoo import create_model

Compose = Callable[..., DictConfig]

SPEC = DataSpec(
    ndim=2,
    bands=("grey",),
    classes=tuple(ClassSpec(n, (i,), (0, 0, i)) for i, n in enumerate(["background", "a", "b"])),
    normalisation=Normalisation("zscore"),
    tile=(16, 16),
)


def task(model: str = "unet", encoder: str = "conv2d", **options: Any) -> SegmentationTask:
    channels = {"encoder.channels": [4, 8, 8]} if encoder == "conv2d" else {}
    deep = options.pop("deep", False)
    network = create_model(
        model,
        encoder=encoder,
        in_channels=1,
        num_classes=3,
        overrides={**channels, "deep_supervision": deep},
    )
    return SegmentationTask(
        network, CrossEntropy(activation="softmax"), torch.optim.AdamW, data=SPEC, **options
    )


def test_deep_supervision_weighs_every_head(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    one = task(deep=True, deep_supervision_weights=[3, 1])
    monkeypatch.setattr(one, "log", lambda *_, **__: None)
    image, mask = torch.randn(2, 1, 16, 16), torch.randint(0, 3, (2, 16, 16))
    found = one.training_step({"image": image, "mask": mask, "case": ["x", "y"]}, 0)
    main, side = one.model.forward_deep(image)
    torch.testing.assert_close(found, 0.75 * one.loss(main, mask) + 0.25 * one.loss(side, mask))


def test_norms_and_biases_have_no_weight_decay() -> None:
    one = task()
    one.make_scheduler = None
    optimizer = one.configure_optimizers()
    assert isinstance(optimizer, torch.optim.AdamW)
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    vectors = {
        id(p) for m in one.model.modules() if not isinstance(m, nn.Conv2d) for p in m.parameters(False)
    }
    vectors |= {id(m.bias) for m in one.model.modules() if isinstance(m, nn.Conv2d) and m.bias is not None}
    assert {id(p) for p in plain["params"]} == vectors
    assert len(decayed["params"]) + len(plain["params"]) == len(list(one.model.parameters()))


def test_channels_last_is_on_where_it_was_measured_faster() -> None:
    assert task(encoder="resnet10t").layout == torch.channels_last
    assert task().layout is None
    assert task(channels_last=True).layout == torch.channels_last
    assert task(encoder="resnet10t", channels_last=False).layout is None


def test_case_dice_is_the_mean_over_foreground_classes_that_are_there() -> None:
    reference = np.array([[0, 1, 1, IGNORE]])
    logits = np.eye(3, dtype=np.float32)[[[0, 1, 0, 2]]].transpose(2, 0, 1)
    assert case_dice(logits, reference, SPEC) == pytest.approx(2 / 3)  # class b: nowhere, so out of the mean
    logits = np.eye(3, dtype=np.float32)[[[2, 1, 1, 2]]].transpose(2, 0, 1)
    assert case_dice(logits, reference, SPEC) == pytest.approx(0.5)  # a: 1, b: a false alarm, 0
    assert math.isnan(case_dice(logits, np.full_like(reference, IGNORE), SPEC))


def test_validation_is_the_mean_over_whole_cases_of_tiled_prediction(config: Compose) -> None:
    cfg = config("trainer.max_epochs=1")
    assert_metrics_are_those_of_the_weights(cfg, train(cfg))


@pytest.mark.slow
def test_two_processes_measure_what_one_would(settings: list[str], config: Compose, tmp_path: Path) -> None:
    # five cases on two processes, and batch norm, whose statistics differ between them until validation
    command = [sys.executable, "-m", "unetzoo", "train", *settings, "trainer=ddp_cpu", "trainer.max_epochs=1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 1/1") == 1
    assert done.stderr == ""
    assert_metrics_are_those_of_the_weights(config(), tmp_path / "run")


@pytest.mark.full
def test_torchrun_trains_the_run_that_our_own_processes_train(settings: list[str], tmp_path: Path) -> None:
    words = ["train", *settings, "trainer=ddp_cpu", "trainer.max_epochs=2"]
    starts = {"spawned": [], "torchrun": ["-m", "torch.distributed.run", "--nproc-per-node", "2"]}
    found = {}
    for name, start in starts.items():
        run = tmp_path / name
        command = [sys.executable, *start, "-m", "unetzoo", *words, f"run_dir={run}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found[name] = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    for key, weights in found["spawned"].items():
        assert torch.equal(weights, found["torchrun"][key])


def test_more_processes_than_val_cases_are_refused(config: Compose) -> None:
    with pytest.raises(ValueError, match=r"9 processes have 5 val case\(s\) to measure, at least one each"):
        train(config("trainer=ddp_cpu", "trainer.devices=9"))


def assert_metrics_are_those_of_the_weights(cfg: DictConfig, run: Path) -> None:
    """Validate the saved weights case by case, in this process."""
    about = read_checkpoint(run / "checkpoints" / "last.ckpt")
    one, data = rebuilt(cfg, about["state_dict"])
    losses, dices = [], []
    with torch.inference_mode():
        for case in data.cases("val"):
            sample = data.read(case)
            logits = predict_tiled(one.tiles, sample.x, tile=data.spec.tile)
            mask = torch.from_numpy(sample.mask).long()[None]
            losses.append(one.loss(torch.from_numpy(logits)[None], mask).item())
            dices.append(case_dice(logits, sample.mask, data.spec))
    assert about["unetzoo"]["metrics"]["val/loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert about["unetzoo"]["metrics"]["val/dice"] == pytest.approx(np.mean(dices), rel=1e-6)


def rebuilt(cfg: DictConfig, weights: dict[str, Any]) -> tuple[SegmentationTask, Any]:
    data = instantiate(cfg.data)
    model = instantiate(cfg.model, in_channels=1, num_classes=2)
    one = SegmentationTask(model, instantiate(cfg.loss), torch.optim.AdamW, data=data.spec)
    one.load_state_dict(weights)
    return one.eval(), data


def test_training_learns(config: Compose) -> None:
    run = train(config("trainer.max_epochs=8", "data.samples_per_epoch=24"))
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(i) for i in range(8)]
    assert float(rows[-1]["train/loss"]) < 0.6 * float(rows[0]["train/loss"])
    assert float(rows[-1]["val/dice"]) > 0.8
    assert [float(row["lr"]) for row in rows] == sorted((float(row["lr"]) for row in rows), reverse=True)
    best = read_checkpoint(run / "checkpoints" / "best.ckpt")["unetzoo"]
    assert best["metrics"]["val/dice"] == pytest.approx(max(float(r["val/dice"]) for r in rows), rel=1e-5)


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_precision_is_what_the_device_computes_with_and_is_kept_with_the_run(
    config: Compose, monkeypatch: pytest.MonkeyPatch, native: bool, expected: str
) -> None:
    monkeypatch.setattr(training, "_has_bf16", lambda accelerator, ndim: native)
    run = train(config("trainer.precision=auto", "trainer.max_epochs=1"))
    assert OmegaConf.load(run / "config.yaml").trainer.precision == expected


def test_mixed_precision_trains_on_the_cpu(config: Compose) -> None:
    run = train(config("trainer.precision=bf16-mixed", "trainer.max_epochs=1", "model/head=binary"))
    checkpoint = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert all(v.dtype != torch.bfloat16 for v in checkpoint["state_dict"].values())
    assert math.isfinite(checkpoint["unetzoo"]["metrics"]["val/loss"])


@pytest.mark.parametrize("head", ["binary", "multiclass"])
def test_nan_loss_names_the_cases_and_spoils_nothing(config: Compose, tmp_path: Path, head: str) -> None:
    train(config(f"model/head={head}", "trainer.max_epochs=1", "run_id=fine"))

    def spoil(self: SegmentationTask) -> None:
        if self.current_epoch == 1:
            next(self.model.parameters()).data.fill_(math.nan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationTask, "on_train_epoch_start", spoil)
        with pytest.raises(ValueError, match=r"the loss became nan in epoch 2 on a batch of p\d\d, p\d\d"):
            train(config(f"model/head={head}"))
    for name in ("best", "last"):
        checkpoint = read_checkpoint(tmp_path / "run" / "checkpoints" / f"{name}.ckpt")
        assert checkpoint["epoch"] == 0
        assert all(torch.isfinite(v).all() for v in checkpoint["state_dict"].values())


def test_spoilt_weights_are_not_saved(config: Compose, tmp_path: Path) -> None:
    def spoil(self: SegmentationTask, *_: Any) -> None:
        next(self.model.parameters()).data.fill_(math.nan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationTask, "on_validation_epoch_start", spoil)
        with pytest.raises(ValueError, match="weights became NaN or infinite in epoch 1"):
            train(config())
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_ema_weights_are_what_is_validated_and_saved(config: Compose) -> None:
    checkpoint = read_checkpoint(
        train(config("callbacks=ema", "callbacks.ema.decay=0.9")) / "checkpoints" / "last.ckpt"
    )
    averaged, last = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert averaged.keys() == last.keys()
    assert any(not torch.equal(averaged[k], last[k]) for k in averaged)
    one, data = rebuilt(config("callbacks=ema"), averaged)
    with torch.inference_mode():
        samples = [data.read(case) for case in data.cases("val")]
        dice = [case_dice(predict_tiled(one.tiles, s.x, tile=(16, 16)), s.mask, data.spec) for s in samples]
    assert checkpoint["unetzoo"]["metrics"]["val/dice"] == pytest.approx(np.mean(dice), rel=1e-6)


def test_early_stopping_finishes_the_run(config: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = config(
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=1",
        "trainer.max_epochs=9",
    )
    about = read_checkpoint(train(cfg) / "checkpoints" / "last.ckpt")["unetzoo"]
    assert about["epochs"] == 2
    train(cfg)
    assert "finished, 2 epochs" in capsys.readouterr().out


def test_epochs_without_validation_have_no_validation_numbers(config: Compose, tmp_path: Path) -> None:
    train(config("trainer.check_val_every_n_epoch=2"))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [bool(row["val/dice"]) for row in csv.DictReader(file)] == [False, True, False]
    best = read_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")["unetzoo"]
    assert best["epochs"] == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.in_channels=3"], r"model\.in_channels=3 but the data has 1"),
        (["model.num_classes=5"], r"model\.num_classes=5 but the data has 2"),
        (["model/encoder=conv3d", "model.encoder.channels=[4,8]"], "the model is 3D but the data is 2D"),
        (["model/head=multilabel"], "choose model/head=multiclass, or binary for two classes"),
        (["trainer.devices=nine"], "trainer: "),
        (["loss.terms.dice.class_weights=[1,2,3]"], "class_weights has 3 numbers for 2 classes"),
        (["task.channels_last=true", "model/encoder=conv3d"], "2D"),
        (["+task.overlapping=0.5"], "task: .*overlapping"),
        (["data.images=/nowhere/images"], "/nowhere/images"),
        (["optimizer.lr=-1"], "optimizer: Invalid learning rate: -1"),
        (["+scheduler.heat=1"], "scheduler: .*heat"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    config: Compose, overrides: list[str], message: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        train(config(*overrides))
    assert "\n" not in str(error.value)


def test_an_encoder_that_goes_by_band_names_gets_them_from_the_data(config: Compose, tmp_path: Path) -> None:
    cfg = config("trainer.max_epochs=1", "data.samples_per_epoch=3")
    cfg.model.encoder = OmegaConf.load(ROOT / "model" / "encoder" / "timm.yaml")
    cfg.model.encoder.merge_with({"name": "resnet10t", "stem": "keep_rgb"})
    train(cfg)
    written = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert written.model.encoder.bands == list(instantiate(config().data).spec.bands)


def test_broken_files_are_named_before_the_first_epoch(
    config: Compose, pictures: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for path in (pictures / "images").iterdir():
        (images / path.name).write_bytes(path.read_bytes())
    whole = (images / "p05.png").read_bytes()
    (images / "p05.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ValueError, OSError), match=r"p05\.png"):
        train(config(f"data.images={images}"))
    assert not (tmp_path / "run").exists()
