"""The decoder of U2-Net and IS-Net."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks.rsu import rsu
from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, resize

__all__ = ["RSUDecoder"]

Stage = Sequence[int | str]


class RSUDecoder(Decoder):
    """Resize, merge, and a small U-Net, row by row (U2-Net, Qin et al. 2020, arXiv:2005.09007).

    The bottleneck is handed on as the coarsest row, because the side heads of the paper see it too.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        stages: ``[kind, inner channels, channels]`` per row but the bottleneck, finest first; kinds are 7, 6,
            5, 4 and 4F, see `unetzoo.blocks.rsu`. Spare ones at the end are not used.
        bias: Bias of the convolutions; the authors keep it in front of the norm too.

    Raises:
        ValueError: If there are fewer stages than rows.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        *,
        stages: Sequence[Stage] = (
            (7, 16, 64),
            (6, 32, 64),
            (5, 64, 128),
            (4, 128, 256),
            ("4F", 256, 512),
        ),
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = True,
    ) -> None:
        super().__init__()
        *rows, bottleneck = encoder
        if len(stages) < len(rows):
            raise ValueError(
                f"decoder.stages lists {len(stages)} blocks but this encoder needs {len(rows)}, "
                f"one per stride {[max(row.stride) for row in rows]}; add stages"
            )
        self.stages = [*stages][: len(rows)]
        outputs = [
            Level(int(width), row.stride) for row, (_, _, width) in zip(rows, self.stages, strict=True)
        ]
        self.levels = [*outputs, bottleneck]
        self.factors = [ratio(coarse.stride, fine.stride) for fine, coarse in pairwise(self.levels)]
        self.gates = [Gate(coarse.channels, fine.stride, coarse) for fine, coarse in pairwise(self.levels)]
        self.ups = nn.ModuleList(resize(factor) for factor in self.factors)
        self.block = partial(rsu, norm=norm, activation=activation, bias=bias)

    def build(self, merged: Sequence[int]) -> None:
        """Make the blocks."""
        self.blocks = nn.ModuleList(
            self.block(
                kind,
                len(self.factors[row]),
                c_in,
                int(width),
                inner=int(inner),
                factors=self.factors[row:],
            )
            for row, (c_in, (kind, inner, width)) in enumerate(zip(merged, self.stages, strict=True))
        )

    def forward(self, skips: list[Tensor], merge: MergeRule) -> list[Tensor]:
        """One output per row, coarsest first, the bottleneck's being the first."""
        decoded = [skips[-1]]
        for row in reversed(range(len(self.ups))):
            coarse = decoded[-1]
            decoded.append(self.blocks[row](merge(row, skips[row], self.ups[row](coarse), coarse)))
        return decoded
