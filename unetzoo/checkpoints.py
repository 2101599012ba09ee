"""Checkpoints that are whole or not there, hold plain values only, and know what they are."""

import math
import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

__all__ = ["SCHEMA", "AtomicCheckpointIO", "RunCheckpoint", "atomic", "best_value", "read_checkpoint"]

SCHEMA = 1


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``train`` saved, on the CPU: weights under ``state_dict`` as ``model.*``, the rest under
    ``unetzoo``.

    ``["unetzoo"]`` holds ``schema``, ``config`` (YAML text of the composed config), ``data`` (JSON text of
    the DataSpec), ``metrics`` (of the epoch it was saved after), ``monitor`` (the one of them that chose the
    best), ``epochs`` (how many were trained) and
    ``finished``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds code, or is not a checkpoint of this library.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen types for files that are not its own
        raise ValueError(
            f"{path}: cannot be read as a checkpoint; it is truncated or not one of unetzoo"
        ) from error
    if not isinstance(checkpoint, dict) or "unetzoo" not in checkpoint:
        raise ValueError(f"{path}: is not a checkpoint of unetzoo; give the best.ckpt or last.ckpt of a run")
    if (schema := checkpoint["unetzoo"].get("schema")) != SCHEMA:
        raise ValueError(f"{path}: has schema {schema}, this version reads {SCHEMA}; update unetzoo")
    return checkpoint


def best_value(run_dir: Path) -> float:
    """What a run's best checkpoint reached in the metric that chose it; NaN if it was never measured."""
    about = read_checkpoint(run_dir / "checkpoints" / "best.ckpt")["unetzoo"]
    return float(about["metrics"].get(about.get("monitor"), math.nan))


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` in one step, once it is whole and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # one fixed name: what a killed process leaves behind is overwritten by the next
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint files on a local disk that are never half-written."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Save tensors and plain values."""
        with atomic(Path(path)) as file:
            torch.save(checkpoint, file)


class RunCheckpoint(Checkpoint):
    """Keep ``last.ckpt`` of every epoch and ``best.ckpt`` of the best one, each resumable and loadable alone.

    The best is written before the last: killed in between, the run resumes from the epoch before and writes
    the same best again.

    Args:
        folder: Where the two files go.
        config: Composed config as YAML text.
        data: DataSpec as JSON text.
        monitor: Metric that decides.
        mode: max (larger is better) | min.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: str,
        data: str,
        monitor: str = "val/dice",
        mode: Literal["max", "min"] = "max",
    ) -> None:
        self.last = folder / "last.ckpt"
        self.best = folder / "best.ckpt"
        self.config = config
        self.data = data
        self.monitor = monitor
        self.better = operator.ge if mode == "max" else operator.le
        self.best_value = self.worst = -math.inf if mode == "max" else math.inf
        self.best_epoch = -1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the weights are spoilt."""
        if not all(bool(torch.isfinite(p).all()) for p in pl_module.parameters()):
            raise ValueError(
                f"weights became NaN or infinite in epoch {trainer.current_epoch + 1}, and nothing was saved "
                "over the last good checkpoint; lower optimizer.lr or set trainer.gradient_clip_val"
            )
        value = self._metrics(trainer).get(self.monitor, math.nan)
        # of equal ones the later, and the first even without a value, so that there always is a best.ckpt
        if self.better(value, self.best_value) or self.best_epoch < 0:
            self.best_value, self.best_epoch = (
                (self.worst if math.isnan(value) else value),
                trainer.current_epoch,
            )
            trainer.save_checkpoint(self.best, weights_only=False)
        trainer.save_checkpoint(self.last, weights_only=False)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what the file says about itself."""
        epochs = trainer.current_epoch + 1
        stopped = trainer.should_stop and epochs >= (trainer.min_epochs or 0)
        checkpoint["unetzoo"] = {
            "schema": SCHEMA,
            "config": self.config,
            "data": self.data,
            "metrics": self._metrics(trainer),
            "monitor": self.monitor,
            "epochs": epochs,
            "finished": stopped or epochs == trainer.max_epochs or trainer.global_step == trainer.max_steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know of the best epoch."""
        return {"best_value": self.best_value, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on comparing with the best epoch so far."""
        self.best_value, self.best_epoch = state_dict["best_value"], state_dict["best_epoch"]

    def _metrics(self, trainer: Trainer) -> dict[str, float]:
        names = ("train/loss", *getattr(trainer.lightning_module, "validated", ()))
        return {
            name: float(trainer.callback_metrics[name]) for name in names if name in trainer.callback_metrics
        }
