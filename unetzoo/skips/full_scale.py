"""The full-scale skips of UNet 3+."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, conv_unit, max_pool
from unetzoo.skips.base import SkipPathway

__all__ = ["FullScaleSkip"]


class FullScaleSkip(SkipPathway):
    """Hand every row the encoder's features of its own and of all finer scales.

    Row i is ``[R(D(X[0])), ..., R(D(X[i-1])), R(X[i])]``: D is max pooling down to the row, R a 3x3
    convolution with norm and activation of its own for every pair of rows. The encoder's half of Huang et al.
    2020, "UNet 3+", arXiv:2004.08790, eq. 1; `FullScaleDecoder` brings the coarser scales.

    Args:
        channels: Width that each scale contributes to each row.
        bias: Bias of the convolutions, in front of a norm too, as in the authors' code.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int = 64,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool = True,
    ) -> None:
        *rows, bottleneck = encoder
        levels = [*(Level(channels * (i + 1), row.stride) for i, row in enumerate(rows)), bottleneck]
        super().__init__(encoder, decoder, levels=levels)
        self.branches = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    nn.Identity() if fine is row else max_pool(ratio(row.stride, fine.stride)),
                    *conv_unit(
                        len(row.stride), fine.channels, channels,
                        norm_name=norm, activation_name=activation, bias=bias,
                    ),
                )
                for fine in rows[: i + 1]
            )
            for i, row in enumerate(rows)
        )  # fmt: skip

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels * (i + 1), *size_i); the bottleneck unchanged."""
        rows = []
        for branches in self.branches:
            assert isinstance(branches, nn.ModuleList)
            rows.append(torch.cat([branch(f) for branch, f in zip(branches, features, strict=False)], 1))
        return [*rows, features[-1]]
