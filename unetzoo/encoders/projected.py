"""An encoder's rows at one width."""

from collections.abc import Callable

from torch import Tensor, nn

from unetzoo.blocks import Block
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level

__all__ = ["ProjectedEncoder"]


class ProjectedEncoder(Encoder):
    """Bring all rows of an encoder to one width, for thin decoders and for skips that mix rows.

    Args:
        encoder: Builds the encoder whose rows are projected.
        channels: Width of every row.
        project: Builds what projects a row, from (ndim, channels in, channels out).
    """

    def __init__(
        self, in_channels: int, *, encoder: Callable[[int], Encoder], project: Block, channels: int = 32
    ) -> None:
        super().__init__()
        self.encoder = encoder(in_channels)
        self.channels_last = self.encoder.channels_last
        given = self.encoder.levels
        self.projections = nn.ModuleList(project(len(row.stride), row.channels, channels) for row in given)
        self.levels = [Level(channels, row.stride) for row in given]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        return [make(row) for make, row in zip(self.projections, self.encoder(x), strict=True)]
