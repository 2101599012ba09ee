"""One network, one loss, one data specification, as Lightning trains them; segmentation as such a task."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Self

import numpy as np
import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from unetzoo.case_dice import CaseDice
from unetzoo.inference.contract import IGNORE, DataSpec
from unetzoo.inference.tiling import predict_tiled
from unetzoo.losses import deep_supervision_loss, deep_supervision_weights
from unetzoo.network import SegmentationNetwork
from unetzoo.scene_rows import Scene, predict_scene
from unetzoo.transfer import freeze as freeze_parts

__all__ = ["SegmentationTask", "Tally", "Task"]

Batch = dict[str, Any]


class Tally(Protocol):
    """Metrics of a case that comes in parts, the same whatever these are."""

    def add(self, outputs: np.ndarray, target: np.ndarray, /) -> None:
        """The next rows: what `Task.read` makes of the network's outputs (K, rows, *rest), and the target."""

    @property
    def values(self) -> tuple[float, ...]:
        """Of all that was added."""


class Task(LightningModule):
    """Trains on patches, validates on whole cases with the tiling that prediction uses.

    Logs ``train/loss``, ``lr``, and after each epoch what `tally` finds of the cases, as means over them;
    what is nan of a case leaves that mean, but for the loss. Under DDP these are the numbers one process
    would get, whatever the number of processes.

    Large scenes are read, predicted and compared in bands of rows, see `predict_scene`. Metrics are those of
    the whole scene. Its loss is the mean over bands, each weighed by its known pixels: that of the whole
    where a loss is a plain mean over pixels; one of regions or borders sees a band at a time.

    Args:
        model: The network.
        loss: Scalar from what `read` makes of the network's outputs, and the target.
        optimizer: Makes the optimizer from parameter groups. Norms, biases and other vectors get no weight
            decay, nor do parameters that say so by an attribute ``no_weight_decay`` (the decays of a Mamba).
        data: What the images and classes are.
        scheduler: Makes the schedule from the optimizer and ``total_steps``, stepped once per optimizer step;
            ``None`` keeps the learning rate.
        deep_supervision_weights: One per head, main one first; ``None`` halves from head to head.
        channels_last: Memory layout of a 2D network; ``None`` is on for encoders that were measured faster
            with it.
        overlap: Of validation tiles, as a fraction of the tile.
        tile_batch: Validation tiles per forward pass.
        freeze: Parts of the network that stay as they are, their norms and dropout too: encoder, decoder.

    Attributes:
        monitor: The metric that decides which checkpoint is the best, ...
        mode: ... the one where it is largest (max) or least (min).
        validated: What validation logs of each case, the loss first.
        reference: The part of a batch that outputs are compared with: mask or target.
    """

    monitor: str
    mode: Literal["max", "min"]
    validated: tuple[str, ...]
    reference: Literal["mask", "target"] = "mask"

    # with fewer validation cases than processes some have none, and that is fine
    allow_zero_length_dataloader_with_multiple_devices = True

    def __init__(
        self,
        model: SegmentationNetwork,
        loss: nn.Module,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        *,
        data: DataSpec,
        scheduler: Callable[..., LRScheduler] | None = None,
        deep_supervision_weights: Sequence[float] | None = None,
        channels_last: bool | None = None,
        overlap: float = 0.25,
        tile_batch: int = 4,
        freeze: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if channels_last and model.ndim != 2:
            raise ValueError("channels_last=true is for 2D networks; leave it null")
        self.model, self.loss, self.data = model, loss, data
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.deep_supervision_weights = deep_supervision_weights
        self.overlap, self.tile_batch = overlap, tile_batch
        self.frozen = freeze_parts(model, freeze)
        self.train()  # Lightning leaves modes as it finds them
        fast = model.ndim == 2 and model.channels_last
        self.layout = torch.channels_last if (fast if channels_last is None else channels_last) else None
        if self.layout is not None:
            self.model.to(memory_format=self.layout)
        self.cases: list[tuple[float, ...]] = []

    def read(self, outputs: Tensor) -> Tensor:
        """The network's outputs as loss and metrics take them."""
        return outputs

    def known(self, target: Tensor) -> Tensor:
        """Where a target says anything."""
        raise NotImplementedError

    def tally(self, rows: int) -> Tally:
        """What finds the metrics of a case of so many rows, in the order of ``validated`` after the loss."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Training mode for all but the frozen parts."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Forget the last validation, or an epoch without one would seem to have its results."""
        for name in self.validated:
            self.trainer.callback_metrics.pop(name, None)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a batch of patches, over all heads if the model is deeply supervised."""
        target = batch[self.reference]
        image = self.model.shown(batch["image"], target)
        if self.layout is not None:
            image = image.contiguous(memory_format=self.layout)
        outputs, auxiliary = self.model.forward_train(image, target)
        outputs = [self.read(head) for head in outputs]
        weights = deep_supervision_weights(len(outputs), self.deep_supervision_weights)
        loss = deep_supervision_loss(self.loss, outputs, target, weights)
        loss = loss + sum(auxiliary.values())
        self.check_finite(loss, batch)
        self.log_losses(loss, auxiliary, len(image))
        return loss

    def check_finite(self, loss: Tensor, batch: Batch) -> None:
        """Stop before a loss that is no number spoils the weights."""
        if not torch.isfinite(loss):
            names = ", ".join(dict.fromkeys(batch["case"]))
            raise ValueError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1} on a batch of {names}, and "
                "nothing was saved over the last good checkpoint; lower optimizer.lr, set "
                "trainer.gradient_clip_val or look at these cases"
            )

    def log_losses(self, loss: Tensor, parts: Mapping[str, Tensor], size: int) -> None:
        """Log the loss of ``size`` patches, and its named parts."""
        for name, value in parts.items():
            self.log(f"train/{name}", value, on_step=False, on_epoch=True, sync_dist=True, batch_size=size)
        self.log(
            "train/loss", loss, on_step=True, on_epoch=True, prog_bar=True, sync_dist=True, batch_size=size
        )

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the rate that this step uses."""
        self.log("lr", optimizer.param_groups[0]["lr"], on_step=True, on_epoch=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Keep a whole validation case where it is: only its tiles go to the device."""
        if self.trainer.training:
            moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
            return moved
        return batch

    def on_validation_epoch_start(self) -> None:
        """Make the processes agree on running statistics, then let them validate at their own pace."""
        self.cases = []
        if self.trainer.world_size > 1:
            for buffer in self.model.buffers():
                dist.broadcast(buffer, 0)
            self._sync_buffers_in_forward(False)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """One whole case of any size; one without a single known pixel has no say."""
        found = self.validate_scene(batch["scene"]) if "scene" in batch else self.validate_case(batch)
        if found is not None:
            self.cases.append(found)

    def validate_case(self, batch: Batch) -> tuple[float, ...] | None:
        """Loss and metrics of a case, None if it has no known pixel."""
        target = batch[self.reference][:1]
        image = self.model.shown(batch["image"], target)[0]
        if not bool(self.known(target).any()):
            return None
        how: dict[str, Any] = {"tile": self.data.tile, "overlap": self.overlap, "batch_size": self.tile_batch}
        tiled = predict_tiled(self.tiles, image.numpy(), **how)
        tally = self.tally(image.shape[1])
        return self.compare(tiled, target[0], tally), *tally.values

    def validate_scene(self, scene: Scene) -> tuple[float, ...] | None:
        """The same of a case that is too large to be held."""
        tally, losses, known = self.tally(scene.size[0]), list[float](), list[int]()

        def compare(tiled: np.ndarray, target: Tensor) -> None:
            known.append(int(self.known(target).sum()))
            losses.append(self.compare(tiled, target, tally))

        predict_scene(
            self.tiles,
            scene,
            compare,
            channels=self.model.outputs,
            known=self.known,
            shown=self.model.shown,
            tile=self.data.tile,
            overlap=self.overlap,
            batch_size=self.tile_batch,
        )
        if not any(known):
            return None
        return math.fsum(n * x for n, x in zip(known, losses, strict=True)) / sum(known), *tally.values

    def compare(self, tiled: np.ndarray, target: Tensor, tally: Tally) -> float:
        """Count what the network says of rows of a case (K, rows, *rest); its loss, 0 if nothing is known."""
        outputs = self.read(torch.from_numpy(tiled)[None].to(self.device))
        tally.add(outputs[0].cpu().numpy(), target.numpy())
        if not bool(self.known(target).any()):
            return 0.0
        loss: float = self.loss(outputs, target[None].to(self.device)).item()
        return loss

    def on_validation_epoch_end(self) -> None:
        """Means over the cases of all processes."""
        cases = self.cases
        if self.trainer.world_size > 1:
            self._sync_buffers_in_forward(True)
            parts: list[list[tuple[float, ...]]] = [[] for _ in range(self.trainer.world_size)]
            dist.all_gather_object(parts, cases)
            cases = [case for part in parts for case in part]
        for index, name in enumerate(self.validated):
            # a loss that is no number must show
            values = [case[index] for case in cases if index == 0 or not math.isnan(case[index])]
            # fsum rounds once, so the order in which processes hold the cases cannot show
            self.log(name, math.fsum(values) / len(values) if values else math.nan, prog_bar=True)

    def tiles(self, x: np.ndarray) -> np.ndarray:
        """(B, C, *tile) to logits (B, K, *tile) on the task's device."""
        image = torch.from_numpy(x).to(self.device)
        if self.layout is not None:
            image = image.contiguous(memory_format=self.layout)
        logits: np.ndarray = self.model(image).float().cpu().numpy()
        return logits

    def build_optimizer(self) -> Optimizer:
        """The config's optimizer on the model's parameters."""
        decayed, plain = list[nn.Parameter](), list[nn.Parameter]()
        for p in self.model.parameters():
            if p.requires_grad:
                (plain if p.ndim <= 1 or getattr(p, "no_weight_decay", False) else decayed).append(p)
        try:
            return self.make_optimizer([{"params": decayed}, {"params": plain, "weight_decay": 0.0}])
        except (TypeError, ValueError) as error:
            raise ValueError(f"optimizer: {error}") from error

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizer and schedule from the config's partials."""
        optimizer = self.build_optimizer()
        if self.make_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ValueError("a schedule needs an end; set trainer.max_epochs or trainer.max_steps")
        try:
            schedule = self.make_scheduler(optimizer, total_steps=int(steps))
        except TypeError as error:
            raise ValueError(f"scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _sync_buffers_in_forward(self, on: bool) -> None:
        # DDP broadcasts buffers in every forward, which would wait forever for a process with fewer cases
        wrapper = self.trainer.strategy.model
        if isinstance(wrapper, nn.parallel.DistributedDataParallel):
            wrapper.require_forward_param_sync = on


class SegmentationTask(Task):
    """Learns classes; ``val/dice`` decides.

    It is the mean over cases of the mean Dice over foreground classes. A class that neither the case nor its
    prediction has leaves the case's mean, a case without any leaves the metric. A loss takes logits and ids,
    and ignores 255.
    """

    monitor = "val/dice"
    mode: Literal["max", "min"] = "max"
    validated = ("val/loss", "val/dice")

    def known(self, target: Tensor) -> Tensor:
        """Where there is a label."""
        return target != IGNORE

    def tally(self, rows: int) -> Tally:
        """Of the case's Dice."""
        return CaseDice(self.data)
