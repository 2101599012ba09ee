"""MADGNet's attention to frequencies at several scales."""

from collections.abc import Callable, Sequence
from functools import partial
from math import gcd
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze import frequency_list, refuse_reference
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.nd import conv, conv_unit, crop_to, mean_pool, pad_to_multiple, resize, sum_of
from unetzoo.ops import dct_pool

__all__ = ["FrequencyStatistics", "MultiFrequencyMultiScale", "multi_frequency_block"]


class FrequencyStatistics(nn.Module):
    """Mean, maximum and minimum of a map times a wave, each averaged over the waves, as three summaries.

    The squeeze of MADGNet (Nam et al. 2024, CVPR). All channels see all waves. Their mean square is 1 at any
    size, where the authors' shrink as maps grow.

    Args:
        frequencies: Those of `unetzoo.blocks.DCT`.
        freq_ref: image: half periods per map, at the map's own size | pixel: per 7 pixels, the authors'.
    """

    def __init__(
        self,
        ndim: int,
        *,
        frequencies: str | Sequence[Sequence[int]] = "top16",
        freq_ref: Literal["image", "pixel"] = "image",
    ) -> None:
        super().__init__()
        refuse_reference(freq_ref)
        self.period = None if freq_ref == "image" else 7
        self.frequencies = frequency_list(frequencies, ndim)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size) to means, maxima and minima, each (B, C, 1, ...)."""
        statistics = dct_pool(x, self.frequencies, period=self.period)
        return [s.reshape(*s.shape, *[1] * (x.dim() - 2)) for s in statistics]


class MultiFrequencyMultiScale(nn.Module):
    """``x + mean over scales of up(conv3x3(gate(attend(narrow(down(x))))))`` (MFMSA of MADGNet).

    Nam et al. 2024, "Modality-agnostic Domain Generalizable Medical Image Segmentation by Multi-Frequency in
    Multi-Scale Attention", CVPR. At scale s the map is averaged 2^s-fold, sent through a grouped convolution
    of dilation 1 + s and a 1x1 one, its channels are weighed by `FrequencyStatistics` and its pixels by
    ``alpha (1 - p) + beta p``, p a sigmoid and alpha and beta learned, the identity at first. The authors do
    not average maps that would have fewer than 8 rows, and take the widths 32, 64, 128, 256, 512 alone.

    Args:
        scales: How many.
        reduction: Of the channel attention's bottleneck.
        groups: Of the grouped convolution, at most; as many as divide the channels.
        min_width: Channels at a scale are ``channels / 2^s``, but at least this.
        frequencies: Those of `unetzoo.blocks.DCT`.
        freq_ref: image: half periods per map, at the map's own size | pixel: per 7 pixels, the authors'.
        identity_init: Start as the identity: a learned factor in front of the mean, zero at first.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        scales: int = 2,
        reduction: int = 16,
        groups: int = 32,
        min_width: int = 64,
        frequencies: str | Sequence[Sequence[int]] = "top16",
        freq_ref: Literal["image", "pixel"] = "image",
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"scales={scales} leaves nothing to attend to; choose 1 or more")

        def statistics(ndim: int, channels: int) -> nn.Module:
            return FrequencyStatistics(ndim, frequencies=frequencies, freq_ref=freq_ref)

        self.scales = nn.ModuleList(
            _Scale(
                ndim,
                channels,
                max(channels // 2**s, min_width),
                scale=s,
                groups=gcd(groups, channels),
                attention=partial(SqueezeExcite, reduction=reduction, bias=False, squeeze=statistics),
            )
            for s in range(scales)
        )
        self.factor = nn.Parameter(torch.zeros(())) if identity_init else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        mean = sum_of(scale(x) for scale in self.scales) / len(self.scales)
        return x + (mean if self.factor is None else self.factor * mean)


class _Scale(nn.Module):
    def __init__(
        self,
        ndim: int,
        channels: int,
        width: int,
        *,
        scale: int,
        groups: int,
        attention: Callable[[int, int], nn.Module],
    ) -> None:
        super().__init__()
        self.factor = (2**scale,) * ndim
        self.down = mean_pool(self.factor) if scale else nn.Identity()
        self.narrow = nn.Sequential(
            *conv_unit(ndim, channels, channels, groups=groups, dilation=1 + scale),
            *conv_unit(ndim, channels, width, 1),
        )
        self.attention = attention(ndim, width)
        self.pixels = conv(ndim, width, 1, bias=False)
        self.alpha, self.beta = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))
        self.widen = nn.Sequential(*conv_unit(ndim, width, channels))
        self.up = resize(self.factor)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        f = self.attention(self.narrow(self.down(pad_to_multiple(x, self.factor))))
        p = self.pixels(f).sigmoid()
        f = f * (self.alpha * (1 - p) + self.beta * p)
        return crop_to(self.up(self.widen(f)), x)


def multi_frequency_block(ndim: int, c_in: int, c_out: int, **options: Any) -> nn.Sequential:
    """A row of MADGNet's decoder: convolution, `MultiFrequencyMultiScale` with these options, convolution."""
    return nn.Sequential(
        *conv_unit(ndim, c_in, c_out),
        MultiFrequencyMultiScale(ndim, c_out, **options),
        *conv_unit(ndim, c_out, c_out),
    )
