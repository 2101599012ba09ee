"""PANet's path aggregation as a skip pathway."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, conv_unit
from unetzoo.skips.fpn import FPN
from unetzoo.skips.neck import unit_gain

__all__ = ["PathAggregation"]


class PathAggregation(FPN):
    """A feature pyramid, then fine rows are added to coarse ones on the way up.

    ``N_0 = P_0``, ``N_{i+1} = fuse_i(down_i(N_i) + P_{i+1})`` with 3x3 convolutions, ``down`` strided,
    Liu et al. 2018, arXiv:1803.01534, fig. 2. The paper draws a ReLU after each convolution; its code's plain
    configuration has none and is the default here.

    Args:
        channels: Width of the pyramid and of every skip.
        norm: Norm after the convolutions of the way up; the paper's other configuration is group with relu.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int = 256,
        norm: Norm | None = None,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(encoder, decoder, channels=channels)
        ndim = len(encoder[0].stride)

        def unit(stride: int | tuple[int, ...]) -> nn.Module:
            first, *rest = conv_unit(
                ndim, channels, channels,
                stride=stride, norm_name=norm, activation_name=activation, bias=True,
            )  # fmt: skip
            return nn.Sequential(unit_gain(first), *rest)

        self.downs = nn.ModuleList(
            unit(ratio(coarse.stride, fine.stride)) for fine, coarse in pairwise(encoder)
        )
        self.fuses = nn.ModuleList(unit(1) for _ in encoder[1:])

    def pyramid(self, features: list[Tensor]) -> list[Tensor]:
        """N, finest first."""
        rows = super().pyramid(features)
        for i, (down, fuse) in enumerate(zip(self.downs, self.fuses, strict=True)):
            rows[i + 1] = fuse(down(rows[i]) + rows[i + 1])
        return rows
