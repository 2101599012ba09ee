"""Training a network that predicts an image: synthetic CT, denoising, any map of numbers."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from unetzoo.inference.contract import DataSpec
from unetzoo.metrics.image import ImageTally
from unetzoo.network import SegmentationNetwork
from unetzoo.task import Tally, Task

__all__ = ["RegressionTask"]


class RegressionTask(Task):
    """Learns the target images of its data.

    The network gives normalised values; loss and metrics see them in the target's unit (HU). Logs
    ``val/loss``, ``val/mae``, ``val/psnr`` and ``val/ssim`` of the pixels whose target counts, as means over
    whole cases, see `unetzoo.metrics.image_errors`.

    Args:
        loss: Scalar from two images in the target's unit, NaN in the second taking no part.
        monitor: The metric whose best checkpoint is kept: least loss or MAE, largest PSNR or SSIM.

    Raises:
        ValueError: If the data has no target images, or there is no such metric.
    """

    validated = ("val/loss", "val/mae", "val/psnr", "val/ssim")
    reference: Literal["mask", "target"] = "target"
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: SegmentationNetwork,
        loss: nn.Module,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        *,
        data: DataSpec,
        monitor: str = "val/mae",
        **options: Any,
    ) -> None:
        super().__init__(model, loss, optimizer, data=data, **options)
        if monitor not in self.validated:
            raise ValueError(f"task.monitor={monitor} is none of {', '.join(self.validated)}")
        self.monitor = monitor
        self.mode = "max" if monitor in ("val/psnr", "val/ssim") else "min"
        if data.target is None:
            raise ValueError("task=regression learns target images and the data has none; set data.target")
        self.value_range = data.target.value_range
        for name in ("mean", "std"):
            numbers = torch.tensor(getattr(data.target, name)).view(-1, *(1,) * data.ndim)
            self.register_buffer(name, numbers, persistent=False)

    def read(self, outputs: Tensor) -> Tensor:
        """Normalised values (B, K, *size) to the target's unit, in float32."""
        return outputs.float() * self.std + self.mean

    def known(self, target: Tensor) -> Tensor:
        """Where the target counts."""
        return target.isfinite()

    def tally(self, rows: int) -> Tally:
        """Of the case's MAE, PSNR and SSIM."""
        return _Errors(rows, self.value_range)


class _Errors(ImageTally):
    @property
    def values(self) -> tuple[float, ...]:
        return tuple(self.errors)
