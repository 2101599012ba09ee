"""BiSeNet's way up."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks import Context
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv_unit, resize

__all__ = ["BilateralDecoder"]


class BilateralDecoder(Decoder):
    """Enlarge, convolve, merge, row by row, at one width; the last merge is the output.

    Yu et al. 2018, "BiSeNet", arXiv:1808.00897, fig. 2a. Its rows are the last merge, and below it what was
    brought to each merge: that is where the paper's auxiliary heads sit. A merge of another width on the way,
    which the paper has none of, is brought back by a 3x3 convolution.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        channels: Width of what is brought to each row.
        context: Builds what the bottleneck goes through first; ``None`` leaves it as it is.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        channels: int = 128,
        context: Callable[[Level], Context] | None = None,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        self.context: nn.Module = nn.Identity()
        if context is not None:
            self.context = made = context(bottleneck)
            bottleneck = Level(made.channels, bottleneck.stride)
        row_levels = [Level(channels, row.stride) for row in rows]
        self.gates, self.ups = list[Gate](), nn.ModuleList()
        for fine, coarse in pairwise([*row_levels, bottleneck]):
            self.gates.append(Gate(channels, fine.stride, coarse))
            self.ups.append(
                nn.Sequential(
                    resize(ratio(coarse.stride, fine.stride)),
                    *conv_unit(len(fine.stride), coarse.channels, channels),
                )
            )
        self.levels = [*row_levels[:1], *row_levels]

    def build(self, merged: Sequence[int]) -> None:
        """Bring merges of another width back; the output is as wide as the last merge."""
        finest, *coarser = self.gates
        self.levels[0] = Level(merged[0], finest.stride)
        self.back = nn.ModuleList(
            nn.Identity()
            if width == gate.channels
            else nn.Sequential(*conv_unit(len(gate.stride), width, gate.channels))
            for gate, width in zip(coarser, merged[1:], strict=True)
        )
        self.back.insert(0, nn.Identity())

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """What was brought to each row, coarsest first, and the last merge."""
        decoded, x = [], self.context(skips[-1])
        for row in reversed(range(len(self.ups))):
            gate = self.ups[row](x)
            decoded.append(gate)
            x = self.back[row](merge(row, skips[row], gate, x))
        return [*decoded, x]
