"""Whether a difference between two runs may be chance."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

__all__ = ["holm", "signed_rank"]


def signed_rank(differences: np.ndarray, groups: Sequence[str]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test of per-case differences (cases,), nan without any.

    Cases of one group (patient, scene) are no independent observations: their mean is one.
    """
    kept = ~np.isnan(differences)
    if not kept.any():
        return float("nan")
    _, index = np.unique(np.asarray(groups, dtype=str)[kept], return_inverse=True)
    means = np.bincount(index, weights=differences[kept]) / np.bincount(index)
    if not means.any():
        return 1.0
    return float(stats.wilcoxon(means[means != 0]).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number; nan has no part.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    corrected = np.full(len(p), np.nan)
    steps = np.arange(len(order), 0, -1) * p[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]
