"""What `unetzoo plan` writes, beside the experiment written by hand, in the same CPU time.

    python -m benchmarks.plan hippocampus_msd dsb2018_nuclei --data <folder with the sets> --seeds 0 1 2

The experiment runs as it stands. The plan gets as many epochs, and as many steps an epoch as take the same
CPU time, told from two shorter runs of it. val chooses the checkpoint of each, test is read once. One thread.
The gap is that of test Dice over the same cases, each its mean over the seeds, with the 95 % interval of the
paired bootstrap over groups.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import torch
from benchmarks.development import over_seeds, read_scores
from benchmarks.runs import measured
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from unetzoo.datasets.statistics import fingerprint
from unetzoo.metrics import bootstrap, per_image
from unetzoo.planning import plan, render
from unetzoo.training import train

PROBE = 10, 40  # steps an epoch


def write_plan(name: str, data: Path, out: Path) -> Path:
    """The folder to search for the experiment ``planned_<name>``."""
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        cfg = compose("train", [f"data={name}", f"paths.data={data}"])
    found = instantiate(cfg.data)
    lines = plan(fingerprint(found.cases("train"), found.spec), found.spec, memory=4e9, gpu=False)
    path = out / "plans" / "experiment" / f"planned_{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        render(lines, data=name, given=[], run_id=f"planned_{name}", header=f"Planned for {name}.")
    )
    return out / "plans"


def probe(overrides: list[str], steps: int, data: Path, out: Path, run_id: str) -> float:
    """CPU seconds of a run of so many steps an epoch, from its start to its last checkpoint."""
    own = [f"run_id={run_id}-{steps}", f"paths.runs={out}", f"paths.data={data}"]
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        cfg = compose("train", [*overrides, *own])
    OmegaConf.set_struct(cfg, False)
    cfg.logger, cfg.data.samples_per_epoch = None, steps * cfg.data.batch_size
    start = time.process_time()
    train(cfg)
    return time.process_time() - start


def compare(name: str, seed: int, data: Path, out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """What the experiment and the plan reach."""
    hand = measured(f"{name}-hand-seed{seed}", [f"experiment={name}", f"seed={seed}"], data=data, out=out)
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        epochs = int(compose("train", [f"experiment={name}"]).trainer.max_epochs)
    search = f"hydra.searchpath=[file://{write_plan(name, data, out).resolve()}]"
    overrides = [f"experiment=planned_{name}", search, f"seed={seed}", "data.num_workers=0"]
    overrides += ["trainer.precision=32-true", f"trainer.max_epochs={epochs}"]

    def change(cfg: DictConfig) -> None:
        few, many = (probe(overrides, count, data, out, f"{name}-probe-seed{seed}") for count in PROBE)
        step = (many - few) / (PROBE[1] - PROBE[0])  # one more in every epoch
        beside = few - PROBE[0] * step  # validation, and what a run begins and ends with
        steps = max(1, math.floor((hand["cpu_minutes"] * 60 - beside) / step))
        cfg.data.samples_per_epoch = steps * cfg.data.batch_size

    planned = measured(f"{name}-plan-seed{seed}", overrides, data=data, out=out, change=change)
    return hand, planned


def case_scores(runs: Sequence[Path]) -> tuple[np.ndarray, list[str]]:
    """Test Dice of each case, its mean over the runs, and its group."""
    paths = [run / "eval" / "test" / "cases.csv" for run in runs]
    cases, groups, _, scores = read_scores(paths, "dice")
    order = np.argsort(cases)
    means = over_seeds(np.stack([per_image(seed) for seed in scores]))
    return means[order], [groups[i] for i in order]


def main() -> None:
    """Run the command line and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/plan"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| experiment | recipe | val Dice | test Dice | per seed | planned - by hand | parameters | CPU min |"
    )
    print("|---|---|---:|---:|---|---|---:|---:|")
    for name in arguments.experiments:
        pairs = [compare(name, seed, arguments.data, arguments.out) for seed in arguments.seeds]
        (hand, groups), (planned, _) = (
            case_scores([arguments.out / f"{name}-{kind}-seed{seed}" for seed in arguments.seeds])
            for kind in ("hand", "plan")
        )
        low, high = bootstrap(planned - hand, groups, seed=0)
        gaps = "", f"{(planned - hand).mean():+.4f} ({low:+.4f} to {high:+.4f})"
        for recipe, gap, runs in zip(("by hand", "planned"), gaps, zip(*pairs, strict=True), strict=True):
            each = ", ".join(f"{run['dice']:.4f}" for run in runs)
            row = [mean(run[key] for run in runs) for key in ("val_dice", "dice", "cpu_minutes")]
            scores = f"{row[0]:.4f} | {row[1]:.4f} | {each} | {gap}"
            size = f"{runs[0]['parameters']:,.0f}"
            print(f"| {name} | {recipe} | {scores} | {size} | {row[2]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
