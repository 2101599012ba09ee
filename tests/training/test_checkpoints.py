"""Checkpoint files: whole or not there, plain values, and all that is needed to use them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from unetzoo.checkpoints import AtomicCheckpointIO, atomic, read_checkpoint
from unetzoo.inference.contract import DataSpec
from unetzoo.training import train
from unetzoo.zoo import build

Compose = Callable[..., DictConfig]


def test_checkpoint_holds_weights_config_data_and_metrics_as_plain_values(config: Compose) -> None:
    run = train(config("callbacks=[ema,early_stopping]", "trainer.max_epochs=2"))
    for name in ("best", "last"):
        # weights_only refuses every pickled object
        checkpoint = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        about = checkpoint["unetzoo"]
        composed = OmegaConf.create(about["config"])
        assert isinstance(composed, DictConfig)
        assert (composed.model.in_channels, composed.model.num_classes) == (1, 2)
        assert "${" not in about["config"]
        data = DataSpec.from_dict(json.loads(about["data"]))
        assert [c.ids for c in data.classes] == [(0,), (255,)]
        assert set(about["metrics"]) == {"train/loss", "val/loss", "val/dice"}
        weights = {k.removeprefix("model."): v for k, v in checkpoint["state_dict"].items()}
        build(composed.model).load_state_dict(weights)
    assert about["finished"]
    assert about["epochs"] == 2
    assert (run / "config.yaml").read_text() == about["config"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    def break_off(checkpoint: Any, file: Any) -> None:
        file.write(b"half a check")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):  # noqa: PT012
        patch.setattr(torch, "save", break_off)
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_files_that_are_no_checkpoints_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    with pytest.raises(FileNotFoundError, match=r"x\.ckpt: no such checkpoint"):
        read_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ValueError, match=r"x\.ckpt: is not a checkpoint of unetzoo"):
        read_checkpoint(path)
    torch.save({"unetzoo": {"schema": 99}}, path)
    with pytest.raises(ValueError, match="has schema 99, this version reads 1"):
        read_checkpoint(path)
    whole = path.read_bytes()
    for damaged in (whole[:200], b"", b"plain text", whole[:-200]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"x\.ckpt: cannot be read as a checkpoint"):
            read_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"unetzoo": {"schema": 1}, "trap": Trap()}, tmp_path / "x.ckpt")
    assert zipfile.is_zipfile(tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not (tmp_path / "sprung").exists()


def test_atomic_file_appears_whole(tmp_path: Path) -> None:
    with atomic(tmp_path / "new" / "a.txt") as file:
        file.write(b"a")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"a"
