"""Waves of a cosine transform as products of one along the rows and one along the columns."""

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["SeparableWaves", "cosine_basis", "separable_waves"]


class SeparableWaves(NamedTuple):
    """Wave k of a map of R rows is ``along_rows[:, row_wave[k]]`` times ``along_columns[column_wave[k]]``.

    Waves share their factors, and each factor is listed once. Rows are all axes but the last.
    """

    along_rows: Tensor  # (R, M)
    along_columns: Tensor  # (N, columns)
    row_wave: list[int]
    column_wave: list[int]

    def whole(self, size: Sequence[int]) -> Tensor:
        """Every wave as a map, (K, *size)."""
        rows, columns = self.along_rows[:, self.row_wave].T, self.along_columns[self.column_wave]
        return (rows[:, :, None] * columns[:, None]).reshape(-1, *size)


def cosine_basis(
    count: int, device: torch.device, period: int | None = None, *, orthonormal: bool = True
) -> Tensor:
    """Frequencies 0 to 6 of the DCT-II of ``count`` pixels, (7, count), float32.

    Args:
        period: Pixels per half period of frequency 1, if not all of them.
        orthonormal: Make the sum of a wave's squares 1, else their mean.
    """
    k = torch.arange(7, device=device, dtype=torch.float32)[:, None]
    p = torch.arange(count, device=device, dtype=torch.float32)
    scale = (torch.where(k > 0, 2.0, 1.0) / (count if orthonormal else 1)).sqrt()
    return scale * (pi / (count if period is None else period) * k * (p + 0.5)).cos()


def separable_waves(
    frequencies: Sequence[Sequence[int]], size: Sequence[int], period: int | None, device: torch.device
) -> SeparableWaves:
    """Waves of mean square 1.

    Args:
        frequencies: One index from 0 to 6 per axis for each wave.
        size: Of the maps.
        period: Pixels per half period of frequency 1; ``None`` for all of an axis.
    """
    axes = [cosine_basis(length, device, period, orthonormal=False) for length in size]
    prefixes, lasts = (
        sorted({*part}) for part in zip(*((tuple(f[:-1]), f[-1]) for f in frequencies), strict=True)
    )
    rows = []
    for prefix in prefixes:
        wave = torch.ones((), device=device)
        for basis, index in zip(axes, prefix, strict=False):
            wave = wave.unsqueeze(-1) * basis[index]
        rows.append(wave.flatten())
    return SeparableWaves(
        torch.stack(rows, 1),
        axes[-1][lasts],
        [prefixes.index(tuple(f[:-1])) for f in frequencies],
        [lasts.index(f[-1]) for f in frequencies],
    )
