"""The full-scale decoder of UNet 3+."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.blocks import conv_block
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, conv_unit, resize

__all__ = ["FullScaleDecoder"]


class FullScaleDecoder(Decoder):
    """Bring every row the decoder's states of all coarser scales, the bottleneck included.

    What meets the skip of row i is ``[R(U(d[i+1])), ..., R(U(d[n]))]``, U being linear interpolation up to
    the row and R a 3x3 convolution with norm and activation of its own for every pair of rows; one more such
    convolution follows the merge. The decoder's half of Huang et al. 2020, "UNet 3+", arXiv:2004.08790, eq.
    1; `FullScaleSkip` hands on the finer scales. Every row is as wide as ``channels`` times the number of
    rows, whatever the skip. The bottleneck is handed on as the coarsest row, so it is supervised too.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        channels: Width that each scale contributes to each row. A volume at full resolution wants 16 or 32.
        bias: Bias of the convolutions, in front of a norm too, as in the authors' code.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        channels: int = 64,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool = True,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        self.levels = [*(Level(channels * len(encoder), row.stride) for row in rows), bottleneck]
        coarser = [self.levels[i + 1 :] for i in range(len(rows))]
        self.gates = [
            Gate(channels * len(sources), row.stride, sources[0])
            for row, sources in zip(rows, coarser, strict=True)
        ]
        self.branches = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    resize(ratio(source.stride, row.stride)),
                    *conv_unit(
                        len(row.stride), source.channels, channels,
                        norm_name=norm, activation_name=activation, bias=bias,
                    ),
                )
                for source in sources
            )
            for row, sources in zip(rows, coarser, strict=True)
        )  # fmt: skip
        self.block = partial(conv_block, convs=1, norm=norm, activation=activation, bias=bias)

    def build(self, merged: Sequence[int]) -> None:
        """Make the convolution that follows each merge."""
        self.blocks = nn.ModuleList(
            self.block(len(level.stride), width, level.channels)
            for width, level in zip(merged, self.levels, strict=False)
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck among them."""
        decoded = [skips[-1]]
        for row in reversed(range(len(self.blocks))):
            branches = self.branches[row]
            assert isinstance(branches, nn.ModuleList)
            gate = torch.cat([branch(d) for branch, d in zip(branches, decoded[::-1], strict=True)], 1)
            decoded.append(self.blocks[row](merge(row, skips[row], gate, decoded[-1])))
        return decoded
