"""FFNet's up-head."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, Resize, conv_unit

__all__ = ["UpHead"]

# widths between the rows and of the outputs, at the strides 4, 8, 16, 32
_VARIANTS = {
    "A": ((64, 128, 256, 512), (128, 128, 128, 128)),
    "B": ((64, 128, 128, 256), (96, 96, 64, 32)),
    "C": ((128, 128, 128, 128), (128, 16, 16, 16)),
}


class UpHead(Decoder):
    """A pyramid with two convolutions per row: a 1x1 on the way up and a 3x3 to the output.

    Mehta et al. 2022, "Simple and Efficient Architectures for Semantic Segmentation", arXiv:2206.08236,
    fig. 3. The bottleneck is adapted by a 1x1 convolution first; its row has an output too, so a head that
    takes all rows (`unetzoo.heads.ConcatHead`) belongs to it, and a skip that adds (skip=adapt).

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        variant: A | B | C, the paper's widths for four rows.
        widths: Between the rows, finest first, bottleneck last, in place of the variant's.
        outputs: Of the outputs, likewise.
        up: nearest | linear.

    Raises:
        ValueError: If there is no such variant, or its widths are not one for each row.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        variant: Literal["A", "B", "C"] = "A",
        widths: Sequence[int] | None = None,
        outputs: Sequence[int] | None = None,
        up: Literal["nearest", "linear"] = "linear",
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if variant not in _VARIANTS:
            raise ValueError(f"up-head variant {variant!r} is unknown; choose {', '.join(_VARIANTS)}")
        bases, tops = widths or _VARIANTS[variant][0], outputs or _VARIANTS[variant][1]
        if not len(bases) == len(tops) == len(encoder):
            raise ValueError(
                f"this encoder has {len(encoder)} rows but the up-head {len(bases)} widths {[*bases]} and "
                f"{len(tops)} outputs {[*tops]}; give decoder.widths and decoder.outputs one for each row"
            )
        ndim = len(encoder[0].stride)
        self.unit = partial(conv_unit, ndim, norm_name=norm, activation_name=activation)
        self.adapter = nn.Sequential(*self.unit(encoder[-1].channels, bases[-1], 1))
        self.bottleneck = bases[-1]
        self.levels = [Level(c, row.stride) for c, row in zip(tops, encoder, strict=True)]
        # what is brought is narrowed in front of the resizing, where that is cheaper
        self.gates = [
            Gate(c, fine.stride, Level(c, coarse.stride))
            for c, (fine, coarse) in zip(bases, pairwise(encoder), strict=False)
        ]
        self.ups = nn.ModuleList(
            Resize(ratio(coarse.stride, fine.stride), up) for fine, coarse in pairwise(encoder)
        )

    def build(self, merged: Sequence[int]) -> None:
        """Make the convolutions."""
        widths = [*merged, self.bottleneck]
        self.narrow = nn.ModuleList(
            nn.Sequential(*self.unit(width, gate.channels, 1))
            for width, gate in zip(widths[1:], self.gates, strict=True)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(*self.unit(width, level.channels))
            for width, level in zip(widths, self.levels, strict=True)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first."""
        x = self.adapter(skips[-1])
        decoded = [self.smooth[-1](x)]
        for row in reversed(range(len(self.ups))):
            coarse = self.narrow[row](x)
            x = merge(row, skips[row], self.ups[row](coarse), coarse)
            decoded.append(self.smooth[row](x))
        return decoded
