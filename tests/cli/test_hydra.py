"""Hydra's own abilities stay: overrides, --cfg, --multirun, --help, --config-dir, tab completion."""

from pathlib import Path

import pytest
import yaml

from unetzoo.cli import main

from .conftest import TINY


def test_cfg_shows_the_composed_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "model=unet_plus_plus", "seed=7", "--cfg", "job"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["seed"] == 7
    assert shown["model"]["skip"]["_target_"] == "unetzoo.skips.NestedSkip"


@pytest.mark.parametrize("verb", ["train", "eval", "predict", "export", "explain"])
def test_help_has_usage_and_config(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"usage: unetzoo {verb}" in shown
    assert "Override anything in the config" in shown


def test_switches_may_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "seed=7", "--cfg", "job", "data.batch_size=3"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["seed"], shown["data"]["batch_size"]) == (7, 3)


def test_a_users_config_dir_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 41\n")
    assert main(["train", "--config-dir", str(tmp_path), "experiment=mine", "--cfg", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["seed"] == 41


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unetzoo ", "predict"),
        ("unetzoo tr", "train"),
        ("unetzoo train model/sk", "model/skip="),
        ("unetzoo train model/skip=att", "model/skip=attention_gate"),
        ("unetzoo train trainer.max_ep", "trainer.max_epochs="),
        ("unetzoo explain model=unet_pl", "model=unet_plus_plus"),
        ("unetzoo predict fl", "flips="),
    ],
)
def test_tab_completion(
    line: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert main(["-sc", "query=bash"]) == 0
    assert expected in capsys.readouterr().out.split()


def test_completion_can_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--shell-completion", "install=bash"]) == 0
    assert "hydra_bash_completion" in capsys.readouterr().out


def test_multirun_makes_one_run_each_and_nothing_else(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(work.rglob("*"))
    assert main(["train", *TINY, "run_id=seed${seed}", "seed=1,2", "--multirun"]) == 0
    made = {str(path.relative_to(work)) for path in set(work.rglob("*")) - before}
    # multirun.yaml is Hydra's record of the sweep
    assert {name for name in made if "/seed" not in name} <= {"runs/multirun.yaml"}
    assert {"runs/seed1/checkpoints/best.ckpt", "runs/seed2/checkpoints/best.ckpt"} <= made


def test_hydra_leaves_no_folders_and_no_logs(work: Path) -> None:
    before = set(work.rglob("*"))
    assert main(["predict", "ckpt=runs/tiny/model.onnx", "inputs=images/c0.png", "out=predicted"]) == 0
    assert {path.name for path in set(work.rglob("*")) - before} == {"predicted", "c0.png"}


@pytest.mark.parametrize(
    "override", ["trainer.precision=16", "run_id=7", "data.patch=null", "optimizer.lr=1"]
)
def test_values_that_may_be_meant_are_let_through(
    override: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unetzoo.training.train", lambda cfg: Path("runs/x"))
    assert main(["train", *TINY, override]) == 0
