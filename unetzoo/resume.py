"""Whether a run's folder is new, goes on with the given config, is finished, or belongs to another config."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from unetzoo.checkpoints import read_checkpoint

__all__ = ["Start", "first_difference", "leaves", "start_of"]

# where the run lies, how fast it is fed and what it prints: the weights come out the same
WITHOUT_EFFECT = (
    "run_dir",
    "run_id",
    "data.allow",
    "data.cache",
    "data.cache_gb",
    "data.root",
    "data.num_workers",
    "trainer.accelerator",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.profiler",
    "logger",
)


class Start(NamedTuple):
    """Where a run begins.

    Attributes:
        checkpoint: What it continues from; None at the very beginning.
        epochs: Epochs that are done.
        steps: Optimizer steps that are done.
        finished: Nothing is left to do.
        damaged: Checkpoint that could not be read, so that an older one is used.
    """

    checkpoint: Path | None = None
    epochs: int = 0
    steps: int = 0
    finished: bool = False
    damaged: Path | None = None


def start_of(run_dir: Path, config: DictConfig) -> Start:
    """Look at the folder of a run.

    Raises:
        ValueError: If the folder belongs to a run with another config, or all its checkpoints are damaged.
    """
    last, best = run_dir / "checkpoints" / "last.ckpt", run_dir / "checkpoints" / "best.ckpt"
    if not last.is_file() and not best.is_file():
        return Start()  # nothing was trained yet, so there is nothing that another config would spoil
    _refuse_other_config(run_dir / "config.yaml", config)
    for path in (last, best):
        if not path.is_file():
            continue
        try:
            checkpoint = read_checkpoint(path)
        except ValueError:
            continue
        about = checkpoint["unetzoo"]
        damaged = last if path == best and last.is_file() else None
        return Start(path, about["epochs"], checkpoint["global_step"], about["finished"], damaged)
    raise ValueError(
        f"{last}: is damaged, and there is no whole best.ckpt beside it; delete {last.parent} to train anew"
    )


def _refuse_other_config(stored: Path, config: DictConfig) -> None:
    run_dir = stored.parent
    if not stored.is_file():
        raise ValueError(
            f"{run_dir}: holds checkpoints but no config.yaml to continue by; choose another run_id=..."
        )
    try:
        before = OmegaConf.load(stored)
    except Exception as error:  # YAML and OmegaConf have no common base
        raise ValueError(f"{stored}: cannot be read as YAML; choose another run_id=...") from error
    assert isinstance(before, DictConfig)
    if (difference := first_difference(before, config)) is not None:
        key, old, new = difference
        raise ValueError(
            f"{run_dir}: was trained with {key}={old} and this command says {key}={new}; "
            "choose another run_id=... or repeat the old setting"
        )


def first_difference(before: DictConfig, now: DictConfig) -> tuple[str, Any, Any] | None:
    """First key whose values differ and change what is trained, with both values ("absent" for none)."""
    old, new = dict(leaves(before)), dict(leaves(now))
    for key in [*old, *(key for key in new if key not in old)]:
        ignored = any(key == skip or key.startswith(f"{skip}.") for skip in WITHOUT_EFFECT)
        if not ignored and old.get(key, "absent") != new.get(key, "absent"):
            return key, old.get(key, "absent"), new.get(key, "absent")
    return None


def leaves(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Every value of a config with its key, ``model.encoder.channels`` ..., in order."""

    def walk(prefix: str, node: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(node, Mapping) and node:
            for key, value in node.items():
                yield from walk(f"{prefix}.{key}" if prefix else str(key), value)
        else:
            yield prefix, node

    yield from walk("", OmegaConf.to_container(config, resolve=True))
