"""BiSeNet's spatial path beside any encoder."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import conv_unit

__all__ = ["SpatialPathEncoder"]


class SpatialPathEncoder(Encoder):
    """Replace an encoder's fine rows by one that comes straight from the image.

    A few strided convolutions, the first 7x7, the others 3x3, and a 1x1, each with norm and ReLU: wide where
    the encoder is deep. Yu et al. 2018, "BiSeNet", arXiv:1808.00897, sec. 3.1.

    Args:
        encoder: Builds the encoder; its rows coarser than the path's end are kept.
        widths: Of the strided convolutions; each halves the size, so three end at stride 8.
        channels: Width of the new row.

    Raises:
        ValueError: If the encoder has no row coarser than the path's end.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        encoder: Callable[[int], Encoder],
        widths: Sequence[int] = (64, 64, 64),
        channels: int = 128,
    ) -> None:
        super().__init__()
        self.encoder = encoder(in_channels)
        self.channels_last = self.encoder.channels_last
        given = self.encoder.levels
        ndim, end = len(given[0].stride), 2 ** len(widths)
        coarser = [level for level in given if min(level.stride) > end]
        if not coarser:
            raise ValueError(
                f"encoder.widths={list(widths)} end at stride {end}, and the encoder has no row beyond it "
                f"(strides {[max(level.stride) for level in given]}); list fewer widths"
            )
        self.levels = [Level(channels, (end,) * ndim), *coarser]
        layers: list[nn.Module] = []
        for k, (a, b) in enumerate(pairwise([in_channels, *widths])):
            layers += conv_unit(ndim, a, b, 3 if k else 7, stride=2)
        self.path = nn.Sequential(*layers, *conv_unit(ndim, widths[-1], channels, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The path's row, then the encoder's coarser ones."""
        return [self.path(x), *self.encoder(x)[1 - len(self.levels) :]]
