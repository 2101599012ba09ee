"""Train a model.

usage: unetzoo train [experiment=...] [key=value ...]

  unetzoo train experiment=demo                                a first run, nothing to download
  unetzoo train data=folder data.images=img data.masks=msk     your own images
  unetzoo train model=unet_plus_plus model/encoder=residual seed=1
  unetzoo train -m model/skip=concat,attention_gate,nested     one run each
  unetzoo train -m hydra/sweeper=tune ...            tuned by Optuna, several at once, on SLURM: docs/scale.md
  unetzoo train model/skip=sc_tuner init=runs/base/checkpoints/best.ckpt task.freeze=[encoder,decoder,heads]
                                                     a trained base learns through its skips alone

A run lives in runs/<run_id>/. The same command again resumes it, or says that it is finished.
"""

import os

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from unetzoo.cli.app import run_app
from unetzoo.monitor import refuse_test_monitor


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and train."""
    # before composing, which knows a monitor in some callbacks only
    refuse_test_monitor((key.lstrip("+"), value) for key, _, value in (word.partition("=") for word in args))
    return run_app(_train, "train", args, __doc__)


def _train(cfg: DictConfig) -> int | float:
    from unetzoo.checkpoints import best_value
    from unetzoo.training import train

    run_dir = train(cfg)
    best = run_dir / "checkpoints" / "best.ckpt"
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"run         {run_dir}\ncheckpoint  {best}\nnext        unetzoo eval ckpt={best} split=test")
    return best_value(run_dir) if HydraConfig.get().mode == RunMode.MULTIRUN else 0
