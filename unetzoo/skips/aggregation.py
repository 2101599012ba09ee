"""Rows aggregated at log-spaced or all distances."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks import conv_block
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, conv, resize
from unetzoo.skips.base import SkipPathway

__all__ = ["AggregationSkip", "sources"]

Rule = Literal["sparse", "dense"]


def sources(n: int, rule: Rule) -> list[int]:
    """Which of the outputs 0 to n - 1 output n receives, nearest first.

    ``sparse`` is SparseNet's n - 1, n - 2, n - 4, n - 8 ... (Zhu et al. 2018, arXiv:1801.05895), ``dense``
    DenseNet's all (Huang et al. 2017, arXiv:1608.06993).
    """
    if rule == "dense":
        return list(reversed(range(n)))
    if rule != "sparse":
        raise ValueError(f"rule {rule!r} is unknown; choose sparse or dense")
    return [n - 2**k for k in range(n.bit_length())]


class AggregationSkip(SkipPathway):
    """Every row receives what coarser rows were made of, at distances 1, 2, 4 ... or at all.

    ``y_n = H([x_n, up(r(y_m)) for m in sources(n)])``, rows counted from the bottleneck, y_0, to the finest;
    r is a 1x1 convolution to ``growth`` channels, H a 3x3 one with norm and activation to the row's width.
    Sparse rows have O(log n) sources and any two rows are O(log n) steps apart, as the layers of SparseNet
    (Zhu et al. 2018, arXiv:1801.05895) are; between the rows of a U it is ours.

    Args:
        rule: sparse | dense.
        growth: Channels that a row receives from each source.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        rule: Rule = "sparse",
        growth: int = 32,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__(encoder, decoder)
        self.rule: Rule = rule
        upward = list(reversed(encoder))
        ndim = len(upward[0].stride)
        self.brought, self.blocks = nn.ModuleDict(), nn.ModuleList()
        for n, row in enumerate(upward[1:], start=1):
            chosen = sources(n, rule)
            for m in chosen:
                self.brought[f"{m}_{n}"] = nn.Sequential(
                    conv(ndim, upward[m].channels, growth), resize(ratio(upward[m].stride, row.stride))
                )
            width = row.channels + growth * len(chosen)
            self.blocks.append(
                conv_block(ndim, width, row.channels, convs=1, norm=norm, activation=activation)
            )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Every row at its width; the bottleneck unchanged."""
        outputs = [features[-1]]
        for n, (x, block) in enumerate(zip(reversed(features[:-1]), self.blocks, strict=True), start=1):
            brought = [self.brought[f"{m}_{n}"](outputs[m]) for m in sources(n, self.rule)]
            outputs.append(block(torch.cat([x, *brought], 1)))
        return outputs[::-1]
