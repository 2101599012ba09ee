"""A run that was stopped ends as if it had not been; other configs are kept out of its folder."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from unetzoo.checkpoints import read_checkpoint
from unetzoo.resume import Start, first_difference, start_of
from unetzoo.task import SegmentationTask
from unetzoo.training import train

Compose = Callable[..., DictConfig]


def table(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def differences(a: Any, b: Any, key: str = "") -> list[str]:
    """Keys at which two checkpoints differ, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [key]
    if isinstance(a, dict):
        assert a.keys() == b.keys(), key
        return [d for k in a for d in differences(a[k], b[k], f"{key}/{k}")]
    if isinstance(a, list | tuple):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{key}/{i}")]
    return [] if a == b or key.endswith("unetzoo/config") else [key]


def same_ending(one: Path, other: Path) -> bool:
    """Weights, optimizer, schedule, counters, best value and table are equal."""
    a, b = (read_checkpoint(run / "checkpoints" / "last.ckpt") for run in (one, other))
    return differences(a, b) == [] and table(one) == table(other)


class Stopped(Exception):
    pass


def stop(cfg: DictConfig, batch: int, error: type[BaseException] = Stopped) -> None:
    """Train, and fail after a batch, counted over all epochs."""

    def on_train_batch_end(self: SegmentationTask, *_: Any) -> None:
        if self.trainer.fit_loop.total_batch_idx == batch:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationTask, "on_train_batch_end", on_train_batch_end)
        with pytest.raises(error):
            train(cfg)


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["callbacks=[ema,early_stopping]", "callbacks.ema.decay=0.8", "trainer.accumulate_grad_batches=2"],
        pytest.param(["data.num_workers=2"], marks=pytest.mark.slow),
    ],
    ids=["plain", "ema and accumulation", "workers"],
)
def test_resumed_run_ends_bitwise_equal(config: Compose, tmp_path: Path, more: list[str]) -> None:
    # with dropout, whose random numbers a resumed run must draw again
    more = [*more, "+model.encoder.dropout=0.2"]
    whole = train(config("run_id=whole", *more))
    for batch in (1, 5):  # in the first epoch, before any checkpoint, and in the second
        stop(config(*more), batch)
    assert len(table(tmp_path / "run")) == 1
    assert same_ending(train(config(*more)), whole)
    assert {p.name for p in (tmp_path / "run").rglob("*") if p.is_file()} == {
        "config.yaml",
        "metrics.csv",
        "best.ckpt",
        "last.ckpt",
    }


@pytest.mark.slow
def test_kill_9_and_the_same_command_again(settings: list[str], config: Compose, tmp_path: Path) -> None:
    more = ["trainer.max_epochs=4", "data.samples_per_epoch=60"]
    command = [sys.executable, "-m", "unetzoo", "train", *settings, *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (tmp_path / "run" / "metrics.csv").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # into the second epoch
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["unetzoo"]["finished"]
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (again.returncode, again.stderr) == (0, "")
    assert "going on after epoch" in again.stdout
    assert same_ending(tmp_path / "run", train(config("run_id=whole", *more)))


def test_finished_run_says_so_and_is_left_alone(
    config: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(config("trainer.max_epochs=1"))
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    before = last.stat().st_mtime_ns
    train(config("trainer.max_epochs=1", "data.num_workers=1", "trainer.log_every_n_steps=3"))
    assert "finished, 1 epochs" in capsys.readouterr().out
    assert last.stat().st_mtime_ns == before


def test_another_config_in_the_same_folder_is_refused(config: Compose) -> None:
    train(config("trainer.max_epochs=1"))
    with pytest.raises(ValueError, match=r"optimizer\.lr=0\.02 and this command says optimizer\.lr=0\.5;"):
        train(config("trainer.max_epochs=1", "optimizer.lr=0.5"))


def test_config_of_a_run_without_a_checkpoint_may_change(config: Compose, tmp_path: Path) -> None:
    stop(config("trainer.max_epochs=1"), 0)
    train(config("trainer.max_epochs=1", "optimizer.lr=0.5"))
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").optimizer.lr == 0.5


def test_damaged_last_checkpoint_falls_back_on_the_best(
    config: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(config("run_id=whole"))
    stop(config(), 5)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:2000])
    assert same_ending(train(config()), whole)
    assert "last.ckpt: is damaged, going on from best.ckpt instead" in capsys.readouterr().out


def test_damaged_checkpoints_are_named(config: Compose, tmp_path: Path) -> None:
    train(config("trainer.max_epochs=1"))
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"last\.ckpt: is damaged, and there is no whole best\.ckpt"):
        train(config("trainer.max_epochs=1"))


def test_checkpoints_without_a_config_are_not_touched(config: Compose, tmp_path: Path) -> None:
    run = train(config("trainer.max_epochs=1"))
    (run / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"holds checkpoints but no config\.yaml"):
        start_of(run, config())
    assert start_of(tmp_path / "elsewhere", config()) == Start()


def test_ctrl_c_is_a_stop_like_any_other(config: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    whole = train(config("run_id=whole"))
    before = signal.getsignal(signal.SIGINT)
    stop(config(), 4, KeyboardInterrupt)
    assert "the same command continues after the last whole epoch" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) == before
    assert same_ending(train(config()), whole)


def test_first_difference_passes_over_what_has_no_effect() -> None:
    before = OmegaConf.create({"run_dir": "a", "data": {"num_workers": 0, "classes": {}}, "logger": {"x": 1}})
    same = OmegaConf.create({"run_dir": "b", "data": {"num_workers": 2, "classes": {}}, "logger": {}})
    assert first_difference(before, same) is None
    more = OmegaConf.merge(same, {"model": {"channels": [4, 8]}})
    assert isinstance(more, DictConfig)
    assert first_difference(before, more) == ("model.channels", "absent", [4, 8])
    assert first_difference(more, before) == ("model.channels", [4, 8], "absent")
