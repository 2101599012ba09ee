"""The pooling in plain torch: as many products as there are waves along the rows, not as there are waves."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unetzoo.nd import full_precision
from unetzoo.ops.dct_pool.waves import separable_waves

__all__ = ["pool_by_columns"]


def pool_by_columns(x: Tensor, frequencies: Sequence[Sequence[int]], period: int | None) -> Tensor:
    """`pool_wave_by_wave` for waves of a cosine transform.

    A factor that is the same all the way down a column cannot change which of its pixels is the extreme one,
    so pixels meet the waves along the rows, and extremes of columns the rest.

    Returns:
        (3, B, C).
    """
    waves = separable_waves(frequencies, x.shape[2:], period, x.device)
    row_wave, column_wave = waves.row_wave, waves.column_wave
    along_rows, along_columns = waves.along_rows.to(x.dtype), waves.along_columns.to(x.dtype)[column_wave]
    x = x.flatten(2, -2)  # (B, C, rows, columns)
    with full_precision(x):
        mean_wave = along_rows[:, row_wave] @ along_columns / len(row_wave)
    mean = (x * mean_wave).flatten(2).mean(-1)
    products = [x * wave[:, None] for wave in along_rows.unbind(1)]
    highest, lowest = torch.stack([p.amax(2) for p in products]), torch.stack([p.amin(2) for p in products])
    along_columns = along_columns[:, None, None]
    ends = highest[row_wave] * along_columns, lowest[row_wave] * along_columns  # (K, B, C, columns)
    return torch.stack([mean, torch.maximum(*ends).amax(-1).mean(0), torch.minimum(*ends).amin(-1).mean(0)])
