"""Many runs: chosen by Optuna, several at once, or as jobs that go on after they were stopped."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.errors import MissingConfigException

from unetzoo.checkpoints import best_value
from unetzoo.cli import main
from unetzoo.cli.compose_errors import translate

from .conftest import TINY

MANY = [word for word in TINY if not word.startswith("run_id")]


def composed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["train", *words, "--cfg", "hydra"]) == 0
    return yaml.safe_load(capsys.readouterr().out)["hydra"]


def measured(run: Path) -> list[dict[str, str]]:
    """Rows of its metrics.csv, but for how long they took."""
    with (run / "metrics.csv").open() as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


def test_a_run_is_worth_the_best_value_of_what_it_watches(trained: Path) -> None:
    run = trained / "runs" / "tiny"
    assert best_value(run) == pytest.approx(max(float(row["val/dice"]) for row in measured(run)), abs=1e-6)


def test_tuning_maximises(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the extra sweep")
    sweeper = composed(capsys, "hydra/sweeper=tune")["sweeper"]
    assert (sweeper["direction"], sweeper["sampler"]["seed"]) == ("maximize", 0)


def test_slurm_warns_a_job_with_a_signal_that_lightning_does_not_take(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra slurm")
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from submitit.slurm.slurm import SlurmJobEnvironment, _make_sbatch_string

    launcher = composed(capsys, "hydra/launcher=slurm")["launcher"]
    assert launcher["max_num_timeout"] > 0
    script = _make_sbatch_string("train", str(tmp_path), signal_delay_s=launcher["signal_delay_s"])
    assert "#SBATCH --signal=USR2@120\n" in script
    assert SlurmJobEnvironment._usr_sig() != SLURMEnvironment().requeue_signal


@pytest.mark.parametrize(
    ("option", "extra"), [("hydra/sweeper/optuna", "sweep"), ("hydra/launcher/submitit_slurm", "slurm")]
)
def test_a_missing_plugin_is_named_with_its_extra(option: str, extra: str) -> None:
    told = translate(MissingConfigException("Could not load", option, []), "train", [])
    assert str(told) == f"{option} is a plugin of Hydra's: pip install 'unetzoo[{extra}]'"


@pytest.mark.full
def test_optuna_is_told_the_best_value_and_goes_on_after_a_failure(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the extra sweep")
    tune = ["hydra/sweeper=tune", "hydra.sweeper.n_trials=4", "optimizer.lr=choice(-1,0.01)"]
    assert main(["train", *MANY, *tune, "run_id='lr${optimizer.lr}'", "--multirun"]) == 4
    assert "unetzoo: optimizer: Invalid learning rate: -1" in capsys.readouterr().err
    result = yaml.safe_load(Path("runs/optimization_results.yaml").read_text())
    assert result["best_params"] == {"optimizer.lr": 0.01}
    assert math.isclose(result["best_value"], best_value(Path("runs/lr0.01")))


@pytest.mark.full
def test_runs_at_once_are_the_runs_one_after_the_other(work: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs the extra sweep")
    at_once = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "run_id='once${seed}'"]
    for words in (at_once, ["run_id='turn${seed}'"]):
        assert main(["train", *MANY, *words, "seed=1,2", "--multirun"]) == 0
    for seed in (1, 2):
        once, turn = (measured(Path(f"runs/{name}{seed}")) for name in ("once", "turn"))
        assert once == turn


@pytest.mark.full
def test_a_job_that_is_warned_goes_back_into_the_queue_and_on_where_it_was(work: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra slurm")
    words = [*MANY, "trainer.max_epochs=60", "hydra/launcher=submitit_local", "run_id=warned", "--multirun"]
    code = "import sys; from unetzoo.cli import main; sys.exit(main())"
    metrics = Path("runs/warned/metrics.csv")
    process = subprocess.Popen([sys.executable, "-c", code, "train", *words])
    while process.poll() is None and not (metrics.is_file() and metrics.read_text().count("\n") > 5):
        time.sleep(0.05)
    (job,) = (int(path.name) for path in Path("runs/.submitit").iterdir() if path.name.isdigit())
    (task,) = Path(f"/proc/{job}/task/{job}/children").read_text().split()
    os.kill(int(task), signal.SIGUSR2)
    assert process.wait(300) == 0
    log = Path(f"runs/.submitit/{job}/{job}_0_log.out").read_text()
    assert "going on after epoch" in log
    assert [int(row["epoch"]) for row in measured(metrics.parent)] == [*range(60)]
