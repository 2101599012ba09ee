"""W-Net: segments without labels, since a second U-Net must rebuild the image from them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from unetzoo.decoders import Decoder
from unetzoo.encoders import Encoder
from unetzoo.heads import FusedHead, Head
from unetzoo.levels import Gate, Level
from unetzoo.losses import SoftNCut, StructuralDissimilarity
from unetzoo.skips import SkipPathway
from unetzoo.unet import UNet

__all__ = ["WNet"]


class WNet(UNet):
    """A U-Net, the segmenter, with a second one of the same parts that turns its segments into the image.

    Xia & Kulis 2017, "W-Net", arXiv:1711.08506. Prediction and export see the segmenter alone. Training adds
    two losses that need no label: the soft normalised cut of the segments, and how far the rebuilt image is
    from the image. `UnsupervisedTask` trains with them alone, `SegmentationTask` beside the labels.

    The segments have no names: which of them is which class is found afterwards, see
    `unetzoo.metrics.match_segments`.

    Args:
        num_classes: Number of segments, the paper's K.
        encoder: As in `UNet`; called a second time for the rebuilding half, as are the other parts.
        ncut: Arguments of `SoftNCut`; ``sigma_intensity`` as a fraction of ``value_range``.
        reconstruction: ssim (Mitta et al. 2020, arXiv:2011.10654) | mse (the W-Net's own, as a mean).
        weights: Of the two losses.
        value_range: Image values, after normalisation, that are black and white; both losses see this range
            as 0 to 1 and what lies outside cut off.
        options: The other arguments of `UNet`, for the segmenter.

    Raises:
        ValueError: If the head is no softmax, or ``weights`` names no loss.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        encoder: Callable[[int], Encoder],
        skip: Callable[[Sequence[Level], Sequence[Gate]], SkipPathway],
        decoder: Callable[[Sequence[Level]], Decoder],
        head: Callable[[Sequence[Level], int], Head | FusedHead],
        ncut: Mapping[str, float] | None = None,
        reconstruction: Literal["ssim", "mse"] = "ssim",
        weights: Mapping[str, float] | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        **options: Any,
    ) -> None:
        parts: dict[str, Any] = {"encoder": encoder, "skip": skip, "decoder": decoder, "head": head}
        super().__init__(in_channels=in_channels, num_classes=num_classes, **parts, **options)
        if self.activation != "softmax":
            raise ValueError(
                f"segments exclude each other, so W-Net needs a softmax head, not {self.activation}"
            )
        self.reconstructor = UNet(
            in_channels=num_classes, num_classes=in_channels, memory=self.memory, **parts
        )
        self.ncut = SoftNCut(**(ncut or {}))
        losses = {"ssim": StructuralDissimilarity(), "mse": torch.nn.MSELoss()}
        if reconstruction not in losses:
            raise ValueError(f"reconstruction {reconstruction!r} is unknown; choose {' or '.join(losses)}")
        self.distance = losses[reconstruction]
        self.weights = {"ncut": 1.0, "reconstruction": 1.0} | dict(weights or {})
        if len(self.weights) > 2:
            raise ValueError(f"weights are of ncut and reconstruction, got {list(weights or {})}")
        self.value_range = value_range

    def forward_train(self, x: Tensor, target: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """`forward_deep`, and the weighted losses: auxiliary ones, ``ncut`` and ``reconstruction``."""
        logits, losses = super().forward_train(x, target)
        black, white = self.value_range
        image = ((x - black) / (white - black)).clamp(0, 1)
        segments = logits[0].softmax(1)
        rebuilt = self.reconstructor(segments).sigmoid()
        found = {"ncut": self.ncut(segments, image), "reconstruction": self.distance(rebuilt, image)}
        return logits, losses | {name: self.weights[name] * loss for name, loss in found.items()}
