"""What a run does besides training: random numbers that resume, a table of epochs."""

import csv
import hashlib
import io
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from unetzoo.checkpoints import atomic

__all__ = ["EpochTable", "SeedEachStep"]


class SeedEachStep(Callback):
    """Make every random number of a training step a function of (seed, step, process) alone.

    Dropout and stochastic depth then draw the same numbers in a resumed run as in one that was never killed,
    without any generator state in the checkpoint.

    Args:
        seed: The run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch, numpy and Python."""
        # batches, not optimizer steps: with accumulated gradients several batches share a step
        key = f"{self.seed}/{trainer.fit_loop.total_batch_idx}/{trainer.global_rank}"
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
        random.seed(number)
        np.random.seed(number % 2**32)  # noqa: NPY002  libraries still draw from the global generator
        torch.manual_seed(number % 2**63)


class EpochTable(Callback):
    """``metrics.csv``: one row per epoch with losses, validation Dice, learning rate and seconds.

    The row is written before the epoch's checkpoint, and a resumed run first drops the rows of epochs it is
    going to repeat, so rows are neither lost nor doubled whenever the process dies.

    Args:
        path: The CSV file.
        echo: Print the row too, for logs in which a progress bar would only leave a smear.
    """

    COLUMNS = ("epoch", "step", "train/loss", "val/loss", "val/dice", "lr", "seconds")

    def __init__(self, path: Path, *, echo: bool) -> None:
        self.path = path
        self.echo = echo
        self.rows: list[dict[str, str]] = []
        self.started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the rows of the epochs that count as done."""
        if self.path.is_file():
            with self.path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row and write the file anew."""
        metrics = {
            name: float(value) for name, value in trainer.callback_metrics.items() if name in self.COLUMNS
        }
        seconds = time.monotonic() - self.started
        row = {
            "epoch": str(trainer.current_epoch),
            "step": str(trainer.global_step),
            "seconds": f"{seconds:.1f}",
        }
        row |= {name: f"{value:.6g}" for name, value in metrics.items()}
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic(self.path) as file:
            file.write(text.getvalue().encode())
        if self.echo:
            shown = "  ".join(f"{name} {metrics[name]:.4g}" for name in self.COLUMNS if name in metrics)
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {shown}  {seconds:.0f} s",
                flush=True,
            )
