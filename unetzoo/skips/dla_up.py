"""The iterative aggregation of deep layer aggregation."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, conv_unit
from unetzoo.skips.base import SkipPathway

__all__ = ["DLAUp", "bilinear_up"]


class DLAUp(SkipPathway):
    """Every row takes up all coarser rows, one after the other, and hands on each step of doing so.

    From the second coarsest row up: ``x = f_i``, then ``x = node([x, U(P(y))])`` for every y that the row
    below handed on, and every x, f_i first, is handed on in turn; iterative deep aggregation, Yu et al. 2018,
    "Deep Layer Aggregation", arXiv:1707.06484, sections 3.1 and 3.2. P is a 1x1 convolution where widths
    differ, U a transposed convolution of each channel that starts as linear interpolation, node a
    convolution. Row i of the pathway is the last x of that row, so row 0 has all of the pyramid and needs no
    further decoder (``decoder=identity``). The bottleneck is unchanged.

    Args:
        kernel_size: Of the nodes' convolutions.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        kernel_size: int = 3,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__(encoder, decoder)
        depth = len(encoder) - 1
        self.steps = nn.ModuleList(
            _Step(row, [below] * (depth - i), kernel_size=kernel_size, norm=norm, activation=activation)
            for i, (row, below) in enumerate(pairwise(encoder))
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to one of the same shape."""
        rows, handed_on = features[-1:], features[-1:]
        for step, feature in zip(reversed(self.steps), features[-2::-1], strict=True):
            handed_on = step(feature, handed_on)
            rows.insert(0, handed_on[-1])
        return rows


class _Step(nn.Module):
    """One row: what comes from below is brought up and merged, source by source."""

    def __init__(
        self,
        row: Level,
        sources: Sequence[Level],
        *,
        kernel_size: int,
        norm: Norm | None,
        activation: Activation,
    ) -> None:
        super().__init__()
        ndim, width = len(row.stride), row.channels
        self.brings, self.nodes = nn.ModuleList(), nn.ModuleList()
        for source in sources:
            project = (
                []
                if source.channels == width
                else conv_unit(ndim, source.channels, width, 1, norm_name=norm, activation_name=activation)
            )
            self.brings.append(nn.Sequential(*project, bilinear_up(width, ratio(source.stride, row.stride))))
            self.nodes.append(
                nn.Sequential(
                    *conv_unit(
                        ndim, 2 * width, width, kernel_size, norm_name=norm, activation_name=activation
                    )
                )
            )

    def forward(self, x: Tensor, sources: list[Tensor]) -> list[Tensor]:
        """(B, C, *size) and n tensors of the row below to n + 1 times (B, C, *size), x itself first."""
        steps = [x]
        for bring, node, source in zip(self.brings, self.nodes, sources, strict=True):
            steps.append(node(torch.cat([steps[-1], bring(source)], 1)))
        return steps


def bilinear_up(channels: int, factor: tuple[int, ...]) -> nn.Module:
    """A transposed convolution of each channel by itself that starts as linear interpolation.

    In the interior, that is: at the border it sees zeros beyond it. Trained with the rest.
    """
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
    kernel, padding = tuple(2 * f - f % 2 for f in factor), tuple(f // 2 for f in factor)
    up = transposed(channels, channels, kernel, stride=factor, padding=padding, groups=channels, bias=False)
    weight = torch.ones(())
    for f, size in zip(factor, kernel, strict=True):
        place = torch.arange(size) - (size - 1) / 2
        weight = weight.unsqueeze(-1) * (1 - place.abs() / f)
    with torch.no_grad():
        assert isinstance(up.weight, Tensor)
        up.weight.copy_(weight.expand_as(up.weight))
    return up
