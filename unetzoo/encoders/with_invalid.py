"""An encoder that says which of its pixels had no data."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unetzoo.encoders.base import Encoder
from unetzoo.levels import MaskedLevel, ratio
from unetzoo.nd import mean_pool

__all__ = ["WithInvalid"]


class WithInvalid(Encoder):
    """Hand on, as the last channel of every row but the bottleneck, the invalid share of each pixel.

    The share is the mean over the image pixels that a row's pixel covers, from 0 (all valid) to 1 (none).
    Skips that know of it (`ShiftConnection`) find such rows by their `MaskedLevel`; for any other it is one
    more feature. The features themselves are the encoder's.

    Args:
        encoder: Builds the encoder from ``in_channels``.
        band: The band that is positive where there are no data. ``None`` takes pixels that are exactly 0 in
            every band, which is how pixels without data reach a network here; valid pixels hardly ever are,
            but for ``percentile`` and ``minmax`` scaling, where the darkest pixels of an image can be.
    """

    def __init__(
        self, in_channels: int, *, encoder: Callable[[int], Encoder], band: int | None = None
    ) -> None:
        super().__init__()
        if band is not None and not 0 <= band < in_channels:
            raise ValueError(f"encoder.band={band} is none of the image's {in_channels} bands; count from 0")
        self.encoder, self.band = encoder(in_channels), band
        *rows, bottleneck = self.encoder.levels
        self.levels = [*(MaskedLevel(c + 1, stride) for c, stride in rows), bottleneck]
        finer = [(1,) * len(bottleneck.stride), *(row.stride for row in rows)]
        self.pools = nn.ModuleList(
            mean_pool(ratio(row.stride, f)) for row, f in zip(rows, finer, strict=False)
        )
        self.channels_last = self.encoder.channels_last

    def invalid(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to 1 where there are no data and 0 elsewhere, (B, 1, *size)."""
        if self.band is None:
            return (x == 0).all(1, keepdim=True).to(x.dtype)
        return (x[:, self.band : self.band + 1] > 0).to(x.dtype)

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row, the invalid share as last channel of each but the bottleneck."""
        *rows, bottleneck = self.encoder(x)
        share, features = self.invalid(x), []
        for row, pool in zip(rows, self.pools, strict=True):
            share = pool(share)
            features.append(torch.cat([row, share.to(row.dtype)], 1))
        return [*features, bottleneck]
