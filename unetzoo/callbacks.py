"""What a run does besides training: random numbers that resume, a table of epochs, a schedule of dropout."""

import csv
import hashlib
import io
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from unetzoo.blocks import DropBlock
from unetzoo.checkpoints import atomic

__all__ = ["DropBlockRamp", "EpochTable", "SeedEachStep"]


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
    """``metrics.csv``: one row per epoch with losses, what the task validates, learning rate and seconds.

    The losses of auxiliary objectives have columns of their own beside the sum.
    The row is written before the epoch's checkpoint, and a resumed run first drops the rows of epochs it is
    going to repeat, so rows are neither lost nor doubled whenever the process dies.

    Args:
        path: The CSV file.
        echo: Print the row too, for logs in which a progress bar would only leave a smear.
    """

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
        validated: tuple[str, ...] = getattr(pl_module, "validated", ())
        first, last = ["epoch", "step", "train/loss"], [*validated, "lr", "seconds"]
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name in (*first, *last) or (name.startswith("train/") and not name.startswith("train/loss"))
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
        parts = sorted({name for row in self.rows for name in row} - {*first, *last})
        columns = [*first, *parts, *last]
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic(self.path) as file:
            file.write(text.getvalue().encode())
        if self.echo:
            shown = "  ".join(f"{name} {metrics[name]:.4g}" for name in columns if name in metrics)
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {shown}  {seconds:.0f} s",
                flush=True,
            )


class DropBlockRamp(Callback):
    """Raise what DropBlock drops linearly from nothing to its p (Ghiasi et al. 2018, arXiv:1810.12890).

    A function of the step alone, so that a resumed run goes on where it was.

    Args:
        until: Fraction of the training after which p is reached.
    """

    def __init__(self, until: float = 1.0) -> None:
        if not 0 < until <= 1:
            raise ValueError(f"until={until} is no fraction of the training; give more than 0 and up to 1")
        self.until = until
        self.drops: list[DropBlock] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the blocks."""
        self.drops = [module for module in pl_module.modules() if isinstance(module, DropBlock)]
        if not self.drops:
            raise ValueError("callbacks=drop_block_ramp finds no DropBlock; choose model/skip=drop_block")
        if math.isinf(trainer.estimated_stepping_batches):
            raise ValueError("drop_block_ramp needs an end; set trainer.max_epochs or trainer.max_steps")

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the factor of this step."""
        done = trainer.global_step / (self.until * trainer.estimated_stepping_batches)
        for drop in self.drops:
            drop.progress.fill_(min(1.0, done))
