"""The U-Net's own encoder."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks import conv_block
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, max_pool

__all__ = ["ConvEncoder", "isotropic"]


def isotropic(count: int, ndim: int) -> list[tuple[int, ...]]:
    """Strides 1, 2, 4 ... for ``count`` rows."""
    return [(2**i,) * ndim for i in range(count)]


class ConvEncoder(Encoder):
    """Convolution blocks with max pooling between them (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        channels: Width per row, finest first.
        strides: Stride of each row to the input, per axis; ``None`` is 1, 2, 4 ... in every axis. Anisotropic
            volumes keep the thick axis with, say, ``[[1,1,1],[1,2,2],[2,4,4]]``.
        bias: Bias of the convolutions; ``None`` only where no norm follows.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        ndim: int = 2,
        strides: Sequence[Sequence[int]] | None = None,
        convs: int = 2,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        rows = isotropic(len(channels), ndim) if strides is None else [tuple(s) for s in strides]
        self.levels = [Level(c, s) for c, s in zip(channels, rows, strict=True)]
        self.pools = nn.ModuleList(
            max_pool(ratio(b.stride, a.stride)) for a, b in zip(self.levels, self.levels[1:], strict=False)
        )
        self.stages = nn.ModuleList(
            conv_block(
                ndim,
                c_in,
                level.channels,
                convs=convs,
                norm=norm,
                activation=activation,
                bias=bias,
                dropout=dropout,
            )
            for c_in, level in zip([in_channels, *channels], self.levels, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = [self.stages[0](x)]
        for pool, stage in zip(self.pools, self.stages[1:], strict=True):
            features.append(stage(pool(features[-1])))
        return features

    def truncate(self, depth: int) -> None:
        """Keep rows 0 to ``depth``."""
        self.levels, self.pools, self.stages = (
            self.levels[: depth + 1],
            self.pools[:depth],
            self.stages[: depth + 1],
        )
