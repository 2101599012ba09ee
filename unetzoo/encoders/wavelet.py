"""An encoder that goes down by Haar transforms and looks around within wide regions."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks.dense_residual import DenseResidual
from unetzoo.blocks.haar import haar_down
from unetzoo.blocks.region_nonlocal import RegionNonLocal
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import rows_of
from unetzoo.nd import conv

__all__ = ["WaveletEncoder", "regional_row"]

WIDE = ((16, 4), (8, 2), (4, 1), (4, 1))


def regional_row(ndim: int, channels: int, row: int, grid: Sequence[Sequence[int]]) -> nn.Sequential:
    """Dense residual block, regional non-local block, dense residual block.

    Args:
        grid: Cells per axis for each row, finest first; the last serves all coarser rows.
    """
    cells = grid[min(row, len(grid) - 1)]
    return nn.Sequential(
        DenseResidual(ndim, channels),
        RegionNonLocal(ndim, channels, grid=cells),
        DenseResidual(ndim, channels),
    )


class WaveletEncoder(Encoder):
    """MCW-Net's way down (Park et al. 2022, arXiv:2009.13990).

    Args:
        channels: Width per row, finest first.
        grid: Cells per axis of the regional non-local block, per row; the last serves all coarser rows. The
            paper's are wide, for streaks of rain are upright.
        bottleneck: Whether the last row has blocks; MCW-Net's come after its skips have reached that row.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        ndim: int = 2,
        grid: Sequence[Sequence[int]] = WIDE,
        bottleneck: bool = True,
    ) -> None:
        super().__init__()
        self.levels = rows_of(channels, ndim)
        self.stem = nn.Sequential(conv(ndim, in_channels, channels[0]), nn.PReLU())
        self.downs = nn.ModuleList(haar_down(fine, coarse)[0] for fine, coarse in pairwise(self.levels))
        last = len(channels) - 1
        self.rows = nn.ModuleList(
            regional_row(ndim, c, i, grid) if i < last or bottleneck else nn.Identity()
            for i, c in enumerate(channels)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = [self.rows[0](self.stem(x))]
        for down, row in zip(self.downs, self.rows[1:], strict=True):
            features.append(row(down(features[-1])))
        return features
