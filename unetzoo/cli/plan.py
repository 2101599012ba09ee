"""Look at a set and write an experiment for it, with the reason for each line.

usage: unetzoo plan [data=...] [out=plans] [name=...] [memory=4GB] [device=cpu|gpu] [key=value ...]

  unetzoo plan data=dsb2018_nuclei
  unetzoo plan data=folder data.name=scans data.images=img data.masks=msk memory=8GB

Reads the training cases once (the second time from a cache): sizes, spacing, class frequencies, intensities.
Writes out/experiment/<name>.yaml, which is meant to be read and edited, and prints the command that trains by
it. val and test are not looked at.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from unetzoo.cli.app import run_app

if TYPE_CHECKING:
    from unetzoo.datasets import SegmentationData

OPTIONS = ("out", "name", "memory", "device")


def run(args: list[str]) -> int:
    """Compose configs/train.yaml and plan for its data."""
    # these are no keys of train.yaml
    args = [f"+{word}" if word.partition("=")[0] in OPTIONS else word for word in args]
    return run_app(_plan, "train", args, __doc__)


def _plan(cfg: DictConfig) -> int:
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from unetzoo.datasets.statistics import fingerprint
    from unetzoo.inference.memory import parse_bytes
    from unetzoo.planning import plan, render

    device = cfg.get("device") or _device()
    if device not in ("cpu", "gpu"):
        raise ValueError(f"device={device} must be cpu or gpu")
    memory = parse_bytes(cfg.memory) if "memory" in cfg else _memory(device)
    data: SegmentationData = instantiate(cfg.data)
    data.prepare_data()
    if data.spec.target is not None:
        raise ValueError("plans are for data with classes; start from experiment=synthetic_ct for images")
    cases = data.cases("train")
    if not cases:
        raise ValueError(f"split train of {data.name} is empty; there is nothing to plan for")
    found = fingerprint(cases, data.spec, _progress if sys.stderr.isatty() else None)
    name = cfg.get("name") or f"{data.name}_plan"
    out = Path(cfg.get("out", "plans"))
    path = out / "experiment" / f"{name}.yaml"
    command = f"unetzoo train --config-dir {out} experiment={name}"
    header = (
        f"U-Net planned for {data.name}: {found.cases} training cases, {memory / 1e9:.1f} GB, {device}.\n"
        f"  {command}\nSource: unetzoo plan, after nnU-Net; every line is there to be changed."
    )
    running = HydraConfig.get()
    given = [
        (key, OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
        for key in _given(running.overrides.task)
        if (value := OmegaConf.select(cfg, key)) is not None
    ]
    lines = plan(found, data.spec, memory=memory, gpu=device == "gpu")
    chosen = running.runtime.choices["data"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(lines, data=chosen, given=given, run_id=name, header=header))
    print(path.read_text(), end="")
    print(f"\nwrote       {path}\nnext        {command}")
    return 0


def _given(overrides: list[str]) -> list[str]:
    """Keys of the data and of paths that were given, which the file then holds too."""
    keys = [word.lstrip("+~").partition("=")[0] for word in overrides]
    return [key for key in keys if key.startswith(("data.", "paths."))]


def _device() -> str:
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def _memory(device: str) -> float:
    """All of the GPU's, or half of what this machine has free."""
    import torch

    if device == "gpu" and torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 4e9
    free = next((line for line in lines if line.startswith("MemAvailable")), "MemAvailable: 8000000 kB")
    return int(free.split()[1]) * 1024 / 2


def _progress(done: int, total: int) -> None:
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
