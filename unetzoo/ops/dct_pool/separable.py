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
    along_rows, along_columns, row_wave, column_wave = separable_waves(
        frequencies, x.shape[2:], period, x.device
    )
    x = x.flatten(2, -2)  # (B, C, rows, columns)
    with full_precision(x):
        mean_wave = (along_rows[:, row_wave] @ along_columns[column_wave] / len(row_wave)).to(x.dtype)
    mean = (x * mean_wave).flatten(2).mean(-1)
    products = [x * wave[:, None].to(x.dtype) for wave in along_rows.unbind(1)]
    highest, lowest = torch.stack([p.amax(2) for p in products]), torch.stack([p.amin(2) for p in products])
    waves = along_columns[column_wave][:, None, None].to(x.dtype)
    ends = highest[row_wave] * waves, lowest[row_wave] * waves  # (K, B, C, columns)
    return torch.stack([mean, torch.maximum(*ends).amax(-1).mean(0), torch.minimum(*ends).amin(-1).mean(0)])
