"""The nested skips of UNet++."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks import Block, conv_block
from unetzoo.levels import Gate, Level
from unetzoo.nd import Activation, Norm, Upsample, upsample
from unetzoo.recompute import recomputed
from unetzoo.skips.base import Concat, Merge, SkipPathway

__all__ = ["NestedSkip", "Sources", "nested_levels", "nested_merge"]

Sources = Literal["dense", "short", "ensemble"]


def nested_levels(encoder: Sequence[Level]) -> list[Level]:
    """Rows that the nested skips of an encoder hand on: row i of depth L is L - i nodes wide."""
    *rows, bottleneck = encoder
    return [*(Level(c * (len(rows) - i), stride) for i, (c, stride) in enumerate(rows)), bottleneck]


def nested_merge(sources: Sources, encoder: Sequence[Level], skip: Level, gate: Gate) -> Merge:
    """What the decoder's node of a row takes of the nodes to its left: what every other node of it takes."""
    if sources == "dense":
        return Concat(skip, gate)
    width = next(row.channels for row in encoder if row.stride == skip.stride)
    return _OneNode(0 if sources == "ensemble" else skip.channels - width, width, gate)


class _OneNode(Merge):
    def __init__(self, start: int, width: int, gate: Gate) -> None:
        super().__init__()
        self.start, self.width, self.channels = start, width, width + gate.channels

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        return torch.cat([skip.narrow(1, self.start, self.width), gate], 1)


class NestedSkip(SkipPathway):
    """The nodes X[i][j], j > 0, of UNet++ but its last diagonal, which is the decoder.

    ``X[i][j] = H([X[i][0], ..., X[i][j-1], U(X[i+1][j-1])])``, Zhou et al. 2018, arXiv:1807.10165, eq. 1, and
    2019, arXiv:1912.05074. Row i hands on the concatenation of its nodes; X[0][j] are the side outputs. The
    later paper's ablations take fewer nodes: UNet+ the left neighbour X[i][j-1] alone, UNet^e, an ensemble of
    U-Nets of all depths on one encoder, X[i][0] alone; the decoder's nodes follow the same rule.
    Implemented from the papers. Their authors' code is for non-commercial use and says "patent pending".

    Args:
        sources: Nodes to its left that a node takes: dense (UNet++) | short (UNet+) | ensemble (UNet^e).
        up: The operator U, as in the decoder: nearest | linear | transposed, or a callable as there.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
        block: Builds a node's block from (ndim, channels in, channels out) instead of the U-Net's, which
            ``convs``, ``norm``, ``activation`` and ``dropout`` are about.
        recompute: Compute the nodes' activations again in the backward pass instead of keeping them.

    Raises:
        ValueError: If ``sources`` is unknown.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        sources: Sources = "dense",
        up: Upsample | Callable[[Level, Level], tuple[nn.Module, int]] = "nearest",
        convs: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = None,
        dropout: float = 0.0,
        block: Block | None = None,
        recompute: bool = False,
    ) -> None:
        if sources not in ("dense", "short", "ensemble"):
            raise ValueError(f"sources must be dense, short or ensemble, not {sources!r}")
        super().__init__(
            encoder,
            decoder,
            levels=nested_levels(encoder),
            merge=None if sources == "dense" else partial(nested_merge, sources, encoder),
        )
        self.sources: Sources = sources
        self.recompute = recompute
        # the shallower U-Nets of an ensemble end in their own side outputs
        self.needs_side_heads = sources == "ensemble" and len(encoder) > 2
        self.depth = depth = len(encoder) - 1
        block = block or partial(
            conv_block, convs=convs, norm=norm, activation=activation, bias=bias, dropout=dropout
        )
        self.ups, self.blocks, self.widths = nn.ModuleDict(), nn.ModuleDict(), dict[str, int]()
        for i, row in enumerate(encoder[:-1]):
            for j in range(1, depth - i):
                module, width = (
                    upsample(up, encoder[i + 1], row) if isinstance(up, str) else up(encoder[i + 1], row)
                )
                self.ups[f"{i}_{j}"] = module
                self.widths[f"{i}_{j}"] = width
                taken = row.channels * (j if sources == "dense" else 1) + width
                self.blocks[f"{i}_{j}"] = block(len(row.stride), taken, row.channels)
        self.side_levels = [encoder[0]] * (depth - 1)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, C_i * (depth - i), *size_i); the bottleneck unchanged."""
        x = [[f] for f in features]
        for j in range(1, self.depth):
            for i in range(self.depth - j):
                left = {"dense": x[i], "short": x[i][-1:], "ensemble": x[i][:1]}[self.sources]
                node, sources = partial(self.node, f"{i}_{j}"), (*left, x[i + 1][j - 1])
                again = self.recompute and self.training
                x[i].append(
                    recomputed(node, *sources, of=self.blocks[f"{i}_{j}"]) if again else node(*sources)
                )
        return [torch.cat(row, 1) for row in x]

    def node(self, name: str, *sources: Tensor) -> Tensor:
        """The nodes to its left and the one below to a node, (B, C_i, *size_i)."""
        *left, below = sources
        out: Tensor = self.blocks[name](torch.cat([*left, self.ups[name](below)], 1))
        return out

    def side_outputs(self, skips: list[Tensor]) -> list[Tensor]:
        """X[0][1], X[0][2], ...: the outputs of the shallower sub-networks."""
        return list(skips[0].chunk(self.depth, 1)[1:])
