"""A network that is shown masks and gives them back: the teacher of features."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetzoo.encoders import Encoder
from unetzoo.heads import Head
from unetzoo.levels import Level
from unetzoo.nd import crop_to
from unetzoo.network import SegmentationNetwork

__all__ = ["MaskEncoder"]


class MaskEncoder(SegmentationNetwork):
    """An encoder of masks, each of whose rows must give the mask back (IS-Net's ground-truth encoder).

    Qin et al. 2022, "Highly Accurate Dichotomous Image Segmentation", arXiv:2203.03041, section 4.1. Its
    features say what a mask looks like at every stride; `unetzoo.auxiliary.FeatureSupervision` holds another
    network's decoder to them. In training and validation it is shown the mask, whatever the image; to predict
    from images is not its business.

    Args:
        in_channels: Bands of the image, which it does not look at.
        num_classes: Classes, background included.
        encoder: Builds the encoder from ``mask_channels``.
        head: Builds a head from one row and ``num_classes``.
        mask_channels: 1, the object among two classes, or ``num_classes``.

    Raises:
        ValueError: If one channel is to tell more than two classes apart.
    """

    deep_supervision = True

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        encoder: Callable[[int], Encoder],
        head: Callable[[Sequence[Level], int], Head],
        mask_channels: int = 1,
    ) -> None:
        super().__init__()
        if mask_channels != num_classes and (mask_channels, num_classes) != (1, 2):
            raise ValueError(
                f"mask_channels={mask_channels} cannot hold {num_classes} classes; set it to {num_classes}"
            )
        self.in_channels, self.num_classes = mask_channels, num_classes
        self.encoder = encoder(mask_channels)
        self.divisor = self.encoder.levels[-1].stride
        self.channels_last = self.encoder.channels_last
        self.heads = nn.ModuleList(head([row], num_classes) for row in self.encoder.levels)
        main = self.heads[0]
        assert isinstance(main, Head)
        self.activation, self.outputs = main.activation, main.outputs

    def shown(self, image: Tensor, target: Tensor) -> Tensor:
        """The mask as a picture of 0 and 1, (B, mask_channels, *size); what has no label is 0."""
        if target.dim() == image.dim():
            return (target == 1).float()
        classes = range(self.num_classes) if self.in_channels > 1 else [1]
        return torch.stack([(target == index).float() for index in classes], 1)

    def features(self, mask: Tensor) -> list[Tensor]:
        """(B, mask_channels, *size) to the encoder's rows, finest first, of the padded mask."""
        if mask.shape[1] != self.in_channels:
            raise ValueError(
                f"a mask encoder is shown masks of {self.in_channels} channels and not images of "
                f"{mask.shape[1]} bands; it is of use as the teacher of feature supervision"
            )
        rows: list[Tensor] = self.encoder(self.pad(mask))
        return rows

    def forward(self, x: Tensor) -> Tensor:
        """(B, mask_channels, *size) to the logits of the finest row, (B, outputs, *size)."""
        return self._logits(x)[0]

    def forward_deep(self, x: Tensor) -> list[Tensor]:
        """The logits of every row, finest first."""
        return self._logits(x)

    def _logits(self, x: Tensor) -> list[Tensor]:
        return [crop_to(head([row]), x) for head, row in zip(self.heads, self.features(x), strict=False)]
