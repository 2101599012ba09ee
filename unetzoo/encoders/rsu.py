"""The encoder of U2-Net and IS-Net."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.blocks.rsu import rsu
from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import isotropic
from unetzoo.levels import Level, ratio
from unetzoo.nd import Activation, Norm, conv, conv_unit, max_pool

__all__ = ["RSUEncoder"]

Stage = Sequence[int | str]


class RSUEncoder(Encoder):
    """A small U-Net per row, with max pooling between the rows.

    U2-Net (Qin et al. 2020, arXiv:2005.09007) starts at full resolution, IS-Net (Qin et al. 2022,
    arXiv:2203.03041) after a strided convolution. The inner U-Nets follow the outer one's factors.

    Args:
        stages: ``[kind, inner channels, channels]`` per row, finest first; kinds are 7, 6, 5, 4 and 4F, see
            `unetzoo.blocks.rsu`.
        strides: Stride of each row to the input, per axis; ``None`` is 1, 2, 4 ..., or 2, 4, 8 ... with a
            stem, in every axis.
        stem: Width of a 3x3 convolution that brings the image to the first row's stride.
        stem_norm: Whether norm and activation follow the stem.
        bias: Bias of the convolutions; the authors keep it in front of the norm too.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        stages: Sequence[Stage] = (
            (7, 32, 64),
            (6, 32, 128),
            (5, 64, 256),
            (4, 128, 512),
            ("4F", 256, 512),
            ("4F", 256, 512),
        ),
        ndim: int = 2,
        strides: Sequence[Sequence[int]] | None = None,
        stem: int | None = None,
        stem_norm: bool = False,
        norm: Norm | None = "batch",
        activation: Activation = "relu",
        bias: bool | None = True,
    ) -> None:
        super().__init__()
        rows = isotropic(len(stages) + 1, ndim)[1:] if stem else isotropic(len(stages), ndim)
        if strides is not None:
            rows = [tuple(s) for s in strides]
        self.levels = [Level(int(width), row) for (_, _, width), row in zip(stages, rows, strict=True)]
        if stem is None and max(rows[0]) > 1:
            raise ValueError(f"without a stem the first row has the image's stride, not {rows[0]}; set stem")
        self.stem: nn.Module = nn.Identity()
        if stem_norm and stem:
            self.stem = nn.Sequential(
                *conv_unit(
                    ndim,
                    in_channels,
                    stem,
                    stride=rows[0],
                    norm_name=norm,
                    activation_name=activation,
                    bias=bias,
                )
            )
        elif stem:
            self.stem = conv(ndim, in_channels, stem, 3, stride=rows[0])
        factors = [ratio(b, a) for a, b in pairwise(rows)]
        self.pools = nn.ModuleList(max_pool(factor) for factor in factors)
        widths = [stem or in_channels, *(level.channels for level in self.levels)]
        self.stages = nn.ModuleList(
            rsu(
                kind,
                ndim,
                c_in,
                int(width),
                inner=int(inner),
                factors=factors[row:],
                norm=norm,
                activation=activation,
                bias=bias,
            )
            for row, (c_in, (kind, inner, width)) in enumerate(zip(widths, stages, strict=False))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        features = [self.stages[0](self.stem(x))]
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
