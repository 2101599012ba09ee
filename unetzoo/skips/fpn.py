"""The feature pyramid network as a skip pathway."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Resize, conv
from unetzoo.skips.neck import Neck, unit_gain

__all__ = ["FPN"]


class FPN(Neck):
    """Coarse rows are added to fine ones on the way down.

    ``m_i = lateral_i(f_i) + nearest(m_{i+1})``, ``P_i = conv_i(m_i)``, Lin et al. 2017,
    arXiv:1612.03144, fig. 3; laterals are 1x1, the convolutions after the sum 3x3, all without norm.

    Args:
        channels: Width of the pyramid and of every skip.
    """

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, channels: int = 256) -> None:
        super().__init__(encoder, decoder, channels=channels)
        ndim = len(encoder[0].stride)
        self.laterals = nn.ModuleList(unit_gain(conv(ndim, row.channels, channels)) for row in encoder)
        self.convs = nn.ModuleList(unit_gain(conv(ndim, channels, channels, 3)) for _ in encoder)
        self.ups = nn.ModuleList(
            Resize(ratio(coarse.stride, fine.stride), "nearest") for fine, coarse in pairwise(encoder)
        )

    def pyramid(self, features: list[Tensor]) -> list[Tensor]:
        """P, finest first."""
        rows = [lateral(f) for lateral, f in zip(self.laterals, features, strict=True)]
        for i in reversed(range(len(rows) - 1)):
            rows[i] = rows[i] + self.ups[i](rows[i + 1])
        return [conv(row) for conv, row in zip(self.convs, rows, strict=True)]
