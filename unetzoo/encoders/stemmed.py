"""An encoder behind a stem that is a row of its own."""

from collections.abc import Callable

from torch import Tensor, nn

from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level
from unetzoo.nd import Norm, conv, norm

__all__ = ["StemmedEncoder"]


class StemmedEncoder(Encoder):
    """A strided convolution and a norm, handed on as the finest row, which an encoder takes for its image.

    Swin-UMamba's way to patches of two pixels (Liu et al. 2024, arXiv:2402.03302, sec. 2.2).

    Args:
        encoder: Builds the encoder behind the stem.
        channels: Width of the stem.
        kernel_size: Of the convolution.
        stride: Of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        encoder: Callable[[int], Encoder],
        channels: int = 48,
        kernel_size: int = 7,
        stride: int = 2,
        norm_name: Norm | None = "instance",
    ) -> None:
        super().__init__()
        self.encoder = encoder(channels)
        rows = self.encoder.levels
        ndim = len(rows[0].stride)
        self.stem = nn.Sequential(
            conv(ndim, in_channels, channels, kernel_size, stride=stride), norm(norm_name, ndim, channels)
        )
        coarser = (Level(row.channels, tuple(stride * s for s in row.stride)) for row in rows)
        self.levels = [Level(channels, (stride,) * ndim), *coarser]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        row = self.stem(x)
        return [row, *self.encoder(row)]
