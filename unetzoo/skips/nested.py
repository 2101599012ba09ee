"""The nested skips of UNet++."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.blocks import conv_block
from unetzoo.levels import Gate, Level
from unetzoo.nd import Activation, Norm, Upsample, upsample
from unetzoo.skips.base import SkipPathway

__all__ = ["NestedSkip", "nested_levels"]


def nested_levels(encoder: Sequence[Level]) -> list[Level]:
    """Rows that the nested skips of an encoder hand on: row i of depth L is L - i nodes wide."""
    *rows, bottleneck = encoder
    return [*(Level(c * (len(rows) - i), stride) for i, (c, stride) in enumerate(rows)), bottleneck]


class NestedSkip(SkipPathway):
    """The nodes X[i][j], j > 0, of UNet++ but its last diagonal, which is the decoder.

    ``X[i][j] = H([X[i][0], ..., X[i][j-1], U(X[i+1][j-1])])``, Zhou et al. 2018, arXiv:1807.10165, eq. 1, and
    2019, arXiv:1912.05074. Row i hands on the concatenation of its nodes; X[0][j] are the side outputs.
    Implemented from the papers. Their authors' code is for non-commercial use and says "patent pending".

    Args:
        up: The operator U, as in the decoder: nearest | linear | transposed.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        up: Upsample = "nearest",
        convs: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(encoder, decoder, levels=nested_levels(encoder))
        self.depth = depth = len(encoder) - 1
        self.ups, self.blocks, self.widths = nn.ModuleDict(), nn.ModuleDict(), dict[str, int]()
        for i, row in enumerate(encoder[:-1]):
            for j in range(1, depth - i):
                self.ups[f"{i}_{j}"], width = upsample(up, encoder[i + 1], row)
                self.widths[f"{i}_{j}"] = width
                self.blocks[f"{i}_{j}"] = conv_block(
                    len(row.stride), row.channels * j + width, row.channels,
                    convs=convs, norm=norm, activation=activation, dropout=dropout,
                )  # fmt: skip
        self.side_levels = [encoder[0]] * (depth - 1)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, C_i * (depth - i), *size_i); the bottleneck unchanged."""
        x = [[f] for f in features]
        for j in range(1, self.depth):
            for i in range(self.depth - j):
                up = self.ups[f"{i}_{j}"](x[i + 1][j - 1])
                x[i].append(self.blocks[f"{i}_{j}"](torch.cat([*x[i], up], 1)))
        return [torch.cat(row, 1) for row in x]

    def side_outputs(self, skips: list[Tensor]) -> list[Tensor]:
        """X[0][1], X[0][2], ...: the outputs of the shallower sub-networks."""
        return list(skips[0].chunk(self.depth, 1)[1:])
