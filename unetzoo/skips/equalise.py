"""All rows on one canvas, made consistent there, and handed back."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from unetzoo.blocks import SqueezeExcite
from unetzoo.blocks.bilateral_propagation import BilateralPropagation
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import Activation, Norm, activation, conv, conv_unit, norm, resize
from unetzoo.skips.base import SkipPathway

__all__ = ["FeatureEqualiser"]


class FeatureEqualiser(SkipPathway):
    """Let structure and texture agree on a shared canvas and add the agreement to every row.

    The finer half of the rows (texture) and the coarser half (structure) are each brought to the size of the
    texture's coarsest row, concatenated, and passed through streams of several kernel sizes; both together
    are weighed by squeeze-and-excitation and smoothed by bilateral propagation. Every row, the bottleneck
    too, then receives ``f_i + R_i(canvas)``. After Liu et al. 2020, "Rethinking Image Inpainting via a Mutual
    Encoder-Decoder with Feature Equalizations", arXiv:2007.06929. Without a mask of missing pixels the
    paper's partial convolutions are ordinary ones; each group has streams of its own, as in the paper's text.

    The norm that ends each R_i starts at a scale of zero, so that the pathway starts as the plain skip.

    Args:
        width: Channels of each group on the canvas; the paper's are 256.
        kernels: Kernel size of each stream.
        layers: Convolutions per stream.
        sigma: Of the bilateral propagation's Gaussian, in pixels of the canvas.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        width: int = 64,
        kernels: Sequence[int] = (3, 5, 7),
        layers: int = 5,
        reduction: int = 16,
        sigma: float = 1.5,
        norm: Norm = "instance",
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__(encoder, decoder)
        ndim, self.texture = len(encoder[0].stride), (len(encoder) + 1) // 2
        canvas = encoder[self.texture - 1].stride
        self.collect = nn.ModuleList(_to_canvas(row, canvas, width, norm, activation) for row in encoder)
        groups = [self.texture, len(encoder) - self.texture]
        self.join = nn.ModuleList(conv(ndim, width * rows, width) for rows in groups)
        self.streams = nn.ModuleList(_Streams(ndim, width, kernels, layers, norm, activation) for _ in groups)
        self.equalise = nn.Sequential(
            SqueezeExcite(ndim, 2 * width, reduction=reduction),
            BilateralPropagation(ndim, 2 * width, sigma=sigma),
        )
        self.redistribute = nn.ModuleList(
            _from_canvas(row, canvas, 2 * width, norm, activation) for row in encoder
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to one of the same shape per row."""
        rows = [to_canvas(f) for to_canvas, f in zip(self.collect, features, strict=True)]
        groups = [
            streams(join(torch.cat(group, 1)))
            for group, join, streams in zip(
                (rows[: self.texture], rows[self.texture :]), self.join, self.streams, strict=True
            )
        ]
        canvas = self.equalise(torch.cat(groups, 1))
        return [f + back(canvas) for f, back in zip(features, self.redistribute, strict=True)]


class _Streams(nn.Module):
    """Convolutions of several kernel sizes beside each other, joined by a 1x1."""

    def __init__(
        self,
        ndim: int,
        width: int,
        kernels: Sequence[int],
        layers: int,
        norm_name: Norm,
        activation_name: Activation,
    ) -> None:
        super().__init__()
        self.streams = nn.ModuleList(
            nn.Sequential(
                *(
                    layer
                    for _ in range(layers)
                    for layer in conv_unit(
                        ndim, width, width, size, norm_name=norm_name, activation_name=activation_name
                    )
                )
            )
            for size in kernels
        )
        self.join = conv(ndim, width * len(kernels), width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.join(torch.cat([stream(x) for stream in self.streams], 1))
        return out


def _to_canvas(
    row: Level, canvas: tuple[int, ...], width: int, norm_name: Norm, activation_name: Activation
) -> nn.Module:
    """A strided convolution from a finer row, an interpolation after a 1x1 from a coarser one."""
    ndim = len(canvas)
    finer = all(s <= c for s, c in zip(row.stride, canvas, strict=True))
    step = ratio(canvas, row.stride) if finer else (1,) * ndim
    return nn.Sequential(
        conv(ndim, row.channels, width, step, stride=step),
        norm(norm_name, ndim, width),
        activation(activation_name),
        nn.Identity() if finer else resize(ratio(row.stride, canvas)),
    )


def _from_canvas(
    row: Level, canvas: tuple[int, ...], width: int, norm_name: Norm, activation_name: Activation
) -> nn.Module:
    """The way back, which starts at zero."""
    ndim = len(canvas)
    finer = all(s <= c for s, c in zip(row.stride, canvas, strict=True))
    step = (1,) * ndim if finer else ratio(row.stride, canvas)
    scaled = norm(norm_name, ndim, row.channels)
    nn.init.zeros_(cast(Tensor, scaled.weight))
    return nn.Sequential(
        conv(ndim, width, row.channels, step, stride=step),
        scaled,
        activation(activation_name),
        resize(ratio(canvas, row.stride)) if finer else nn.Identity(),
    )
