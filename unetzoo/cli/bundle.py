"""Write a trained network as a MONAI bundle.

usage: unetzoo bundle ckpt=... out=folder [task=...] [description=...] [authors=...] [licence=...]

  unetzoo bundle ckpt=runs/demo-seed0/checkpoints/best.ckpt out=nuclei
  cd nuclei && python -m monai.bundle run --config_file configs/inference.json --inputs "['../images']"

`python -m monai.bundle verify_metadata` and `verify_net_in_out network_def` accept it. Whoever runs it needs
unetzoo, which the bundle says.
"""

from pathlib import Path

from omegaconf import DictConfig

from unetzoo.cli.app import run_app


def run(args: list[str]) -> int:
    """Compose configs/bundle.yaml and write the bundle."""
    return run_app(_bundle, "bundle", args, __doc__)


def _bundle(cfg: DictConfig) -> int:
    from unetzoo import load
    from unetzoo.monai_bundle import write_bundle

    texts = {key: str(cfg[key]) for key in ("task", "description", "authors", "licence")}
    folder = write_bundle(load(Path(cfg.ckpt)), Path(cfg.out), **texts)
    print(f"bundle      {folder}")
    print(f"next        cd {folder} && python -m monai.bundle run --config_file configs/inference.json")
    return 0
