"""FcaNet, to be trained from scratch, in 2D and 3D."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from torch import Tensor, nn

from unetzoo.blocks import DCT, Bottleneck, SqueezeExcite
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import conv_unit

__all__ = ["FcaEncoder"]


class FcaEncoder(Encoder):
    """A ResNet of bottleneck blocks whose channels are weighed by frequencies of the map.

    Qin et al. 2021, "FcaNet: Frequency Channel Attention Networks", ICCV: the attention follows a block's
    last norm. The rows are those of a ResNet, first stride 2: the stem, and the ends of its stages.

    Args:
        stem: Width of the 7x7 convolution.
        channels: Width of each stage.
        blocks: Blocks per stage; (3, 4, 6, 3) is FcaNet-50, (3, 4, 23, 3) FcaNet-101.
        frequencies: Of `DCT`.
        freq_ref: Of `DCT`; pixel is the paper's.
        sizes: Pixels per axis that the map of each stage is averaged to first; those of an image of 224 are
            the paper's, for any image. ``None``: 7 for image, no averaging for pixel.
        reduction: Of the attention's bottleneck.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        ndim: int = 2,
        stem: int = 64,
        channels: Sequence[int] = (256, 512, 1024, 2048),
        blocks: Sequence[int] = (3, 4, 6, 3),
        frequencies: str = "top16",
        freq_ref: Literal["image", "pixel"] = "pixel",
        sizes: Sequence[int] | None = (56, 28, 14, 7),
        reduction: int = 16,
    ) -> None:
        super().__init__()
        given = [None] * len(channels) if sizes is None else list(sizes)
        if not len(blocks) == len(given) == len(channels):
            raise ValueError(
                f"encoder.channels {list(channels)} is a list of stages; give encoder.blocks {list(blocks)} "
                f"and encoder.sizes {given} as many entries"
            )
        pool: type[nn.Module] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[ndim]
        self.stem, self.pool = nn.Sequential(*conv_unit(ndim, in_channels, stem, 7, stride=2)), pool(3, 2, 1)
        self.stages, width = nn.ModuleList(), stem
        for row, (c_out, count, size) in enumerate(zip(channels, blocks, given, strict=True)):
            squeeze = partial(DCT, frequencies=frequencies, freq_ref=freq_ref, size=size)
            attention = partial(SqueezeExcite, reduction=reduction, bias=False, squeeze=squeeze)
            stage = []
            for k in range(count):
                stride = 2 if row and k == 0 else 1  # pooling halves before the first
                stage.append(
                    Bottleneck(ndim, c_out if k else width, c_out, stride=stride, attention=attention)
                )
            self.stages.append(nn.Sequential(*stage))
            width = c_out
        self.levels = [Level(c, (2 ** (i + 1),) * ndim) for i, c in enumerate([stem, *channels])]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = [self.stem(x)]
        for row, stage in enumerate(self.stages):
            features.append(stage(features[-1] if row else self.pool(features[-1])))
        return features
