"""Skips that are adapted and added."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import Activation, Norm, conv_unit
from unetzoo.skips.base import Merge, SkipPathway

__all__ = ["AdaptSkip"]


class AdaptSkip(SkipPathway):
    """Bring each skip to the decoder's width by a 1x1 convolution, norm and activation, and add it.

    The adapters of FFNet (Mehta et al. 2022, arXiv:2206.08236, fig. 3); every row has one.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__(
            encoder, decoder, merge=lambda e, d: _AdaptedAdd(e, d, norm=norm, activation=activation)
        )


class _AdaptedAdd(Merge):
    def __init__(self, skip: Level, gate: Gate, *, norm: Norm | None, activation: Activation) -> None:
        super().__init__()
        self.channels = gate.channels
        self.adapter = nn.Sequential(
            *conv_unit(
                len(skip.stride),
                skip.channels,
                gate.channels,
                1,
                norm_name=norm,
                activation_name=activation,
            )
        )

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.adapter(skip) + gate
        return out
