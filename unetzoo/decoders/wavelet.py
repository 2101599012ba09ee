"""A decoder that goes up by inverse Haar transforms and looks around within wide regions."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks.dense_residual import DenseResidual
from unetzoo.blocks.haar import haar_up
from unetzoo.blocks.project import project
from unetzoo.decoders.base import MergeRule
from unetzoo.decoders.conv import ConvDecoder
from unetzoo.encoders.wavelet import WIDE, regional_row
from unetzoo.levels import Level

__all__ = ["WaveletDecoder"]


class WaveletDecoder(ConvDecoder):
    """MCW-Net's way up (Park et al. 2022, arXiv:2009.13990), of the encoder's widths.

    Each row's merge is projected to the row's width where it has another; MCW-Net's own skip delivers it.
    The finest row has one dense residual block more.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        grid: As of the encoder.
        bottleneck: Whether the bottleneck passes through blocks first, as in MCW-Net.
    """

    def __init__(
        self, encoder: Sequence[Level], *, grid: Sequence[Sequence[int]] = WIDE, bottleneck: bool = True
    ) -> None:
        super().__init__(encoder, up=haar_up)
        self.grid = grid
        width, stride = encoder[-1]
        self.bottleneck = regional_row(len(stride), width, len(encoder) - 1, grid) if bottleneck else None

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        self.blocks = nn.ModuleList()
        for i, (width, (channels, stride)) in enumerate(zip(merged, self.levels, strict=True)):
            ndim = len(stride)
            blocks = [project(ndim, width, channels), regional_row(ndim, channels, i, self.grid)]
            self.blocks.append(nn.Sequential(*blocks, *([DenseResidual(ndim, channels)] if i == 0 else [])))

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck left out."""
        if self.bottleneck is not None:
            skips = [*skips[:-1], skips[-1] + self.bottleneck(skips[-1])]
        return super().forward(skips, merge)
