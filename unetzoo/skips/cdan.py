"""Skips that are added, attended to, and multiplied by a dense feature of their own."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from unetzoo.blocks import CBAM
from unetzoo.blocks.project import project
from unetzoo.levels import Gate, Level
from unetzoo.nd import Norm, activation, conv, norm
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["DenseProductSkip"]


class DenseProductSkip(SkipPathway):
    """Add the skip, attend, and multiply by a feature that a dense block makes beside it.

    ``cbam(gate + skip) * dense(skip)``, after Shakibania et al. 2023, "CDAN: Convolutional Dense
    Attention-guided Network for Low-light Image Enhancement", arXiv:2308.12902; the bottleneck is attended to
    as well. There the dense blocks stand behind the encoder's poolings, here beside the skips. The last
    convolution of a dense block has a bias of one at first: a product with a feature around zero would stop
    the gradient.

    Args:
        growth: Channels that each layer of a dense block adds.
        layers: Layers of a dense block.
        reduction: Of the channel attention.
        identity_init: Start as the skip that is added: dense features are one, attention is the identity.
    """

    identity = "add"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        growth: int = 16,
        layers: int = 4,
        reduction: int = 16,
        norm: Norm | None = "batch",
        identity_init: bool = False,
    ) -> None:
        attend = partial(CBAM, reduction=reduction, identity_init=identity_init)
        dense = partial(_dense, growth=growth, layers=layers, norm_name=norm, identity_init=identity_init)
        super().__init__(encoder, decoder, merge=partial(_Product, attend=attend, dense=dense))
        self.bottleneck = attend(len(encoder[-1].stride), encoder[-1].channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Attention on the bottleneck; the rows pass as they are."""
        return [*features[:-1], self.bottleneck(features[-1])]


class _Product(Merge):
    def __init__(
        self, skip: Level, gate: Gate, *, attend: "partial[CBAM]", dense: "partial[nn.Module]"
    ) -> None:
        super().__init__()
        ndim, self.channels = len(skip.stride), gate.channels
        self.project = project(ndim, skip.channels, gate.channels)
        self.attend = attend(ndim, gate.channels)
        self.dense = dense(ndim, skip.channels, gate.channels)

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.attend(gate + self.project(skip)) * self.dense(skip)
        return out


class _Grow(nn.Module):
    """Norm, ReLU, convolution, and the result beside the input (DenseNet, arXiv:1608.06993)."""

    def __init__(self, ndim: int, channels: int, growth: int, norm_name: Norm | None) -> None:
        super().__init__()
        # not in place: the input is handed on
        self.layer = nn.Sequential(
            norm(norm_name, ndim, channels), nn.ReLU(), conv(ndim, channels, growth, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layer(x)], 1)


def _dense(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    growth: int,
    layers: int,
    norm_name: Norm | None,
    identity_init: bool,
) -> nn.Module:
    widths = [c_in + growth * k for k in range(layers + 1)]
    transition = conv(ndim, widths[-1], c_out)
    nn.init.ones_(transition.bias)  # type: ignore[arg-type]
    if identity_init:
        nn.init.zeros_(transition.weight)  # type: ignore[arg-type]
    return nn.Sequential(
        *(_Grow(ndim, width, growth, norm_name) for width in widths[:-1]),
        norm(norm_name, ndim, widths[-1]),
        activation("relu"),
        transition,
    )
