"""Training without labels."""

from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from unetzoo.inference.contract import IGNORE, DataSpec
from unetzoo.inference.windows import pad_to, windows
from unetzoo.network import SegmentationNetwork
from unetzoo.scene_rows import Scene
from unetzoo.task import Batch, Task

__all__ = ["UnsupervisedTask"]


class UnsupervisedTask(Task):
    """Trains and validates on the losses of the network's own `forward_train`; no label is seen.

    ``train/loss`` and ``val/loss`` are their sum, ``val/loss`` as the mean over the tiles of a case and then
    over cases. The best checkpoint is the one of the least ``val/loss``.

    Args:
        loss: Not used; the network brings its losses.
        schedule: joint (every step descends their sum) | alternate (steps take turns between the losses, as
            in the W-Net's algorithm 1, where the turns share a batch; with ``strategy=ddp`` this needs
            ``ddp_find_unused_parameters_true``).

    Raises:
        ValueError: If the network has no losses of its own.
    """

    monitor = "val/loss"
    mode: Literal["max", "min"] = "min"
    validated = ("val/loss",)

    def __init__(
        self,
        model: SegmentationNetwork,
        loss: nn.Module | None,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        *,
        data: DataSpec,
        schedule: Literal["joint", "alternate"] = "joint",
        **options: Any,
    ) -> None:
        if schedule not in ("joint", "alternate"):
            raise ValueError(f"task.schedule={schedule!r} is unknown; choose joint or alternate")
        super().__init__(model, loss or nn.Identity(), optimizer, data=data, **options)
        self.schedule = schedule

    def losses(self, image: Tensor) -> dict[str, Tensor]:
        """The network's own losses on (B, C, *size), with a target that says nothing."""
        if self.layout is not None:
            image = image.contiguous(memory_format=self.layout)
        nothing = torch.full((len(image), *image.shape[2:]), IGNORE, device=image.device)
        _, losses = self.model.forward_train(image, nothing)
        if not losses:
            raise ValueError(
                f"{type(self.model).__name__} has no loss of its own to learn from without labels; "
                "choose model=w_net or the usual task"
            )
        return losses

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of the losses, or the one whose turn it is."""
        losses = self.losses(batch["image"])
        turn = [*losses][self.global_step % len(losses)]
        loss = losses[turn] if self.schedule == "alternate" else torch.stack([*losses.values()]).sum()
        self.check_finite(loss, batch)
        self.log_losses(torch.stack([*losses.values()]).sum(), losses, len(batch["image"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The losses on the tiles of one whole case of any size; a large scene is read in rows of tiles."""
        values = [
            torch.stack([*self.losses(torch.tensor(tile)[None].to(self.device)).values()]).sum().item()
            for tile in (self.tiles_of_scene(batch["scene"]) if "scene" in batch else self.tiles_of(batch))
        ]
        self.cases.append((sum(values) / len(values),))

    def tiles_of(self, batch: Batch) -> Iterator[np.ndarray]:
        """The tiles (C, *tile) of a case, side by side."""
        image, _ = pad_to(batch["image"][0].numpy(), self.data.tile)
        for place in windows(image.shape[1:], self.data.tile, 0):
            yield image[(slice(None), *place)]

    def tiles_of_scene(self, scene: Scene) -> Iterator[np.ndarray]:
        """The same of a case that is not held."""
        for rows, places in groupby(windows(scene.size, self.data.tile, 0), itemgetter(0)):
            x, _ = scene.rows(rows.start, rows.stop)
            for _, columns in places:
                yield x[..., columns]
