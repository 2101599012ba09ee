"""Training a network that predicts an image: synthetic CT, denoising, any map of numbers."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from unetzoo.inference.contract import DataSpec
from unetzoo.metrics.image import image_errors
from unetzoo.network import SegmentationNetwork
from unetzoo.task import Task

__all__ = ["RegressionTask"]


class RegressionTask(Task):
    """Learns the target images of its data; the least ``val/mae`` decides.

    The network gives normalised values; loss and metrics see them in the target's unit (HU). Logs
    ``val/loss``, ``val/mae``, ``val/psnr`` and ``val/ssim`` of the pixels whose target counts, as means over
    whole cases, see `unetzoo.metrics.image_errors`.

    Args:
        loss: Scalar from two images in the target's unit, NaN in the second taking no part.

    Raises:
        ValueError: If the data has no target images.
    """

    monitor = "val/mae"
    mode: Literal["max", "min"] = "min"
    validated = ("val/loss", "val/mae", "val/psnr", "val/ssim")
    reference: Literal["mask", "target"] = "target"
    mean: Tensor
    std: Tensor

    def __init__(
        self, model: SegmentationNetwork, loss: nn.Module, *args: Any, data: DataSpec, **options: Any
    ) -> None:
        super().__init__(model, loss, *args, data=data, **options)
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

    def measure(self, outputs: np.ndarray, target: np.ndarray) -> tuple[float, ...]:
        """The case's MAE, PSNR and SSIM."""
        return tuple(image_errors(outputs, target, self.value_range))
