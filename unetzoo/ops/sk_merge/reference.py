"""What the sum of selective kernels is."""

from collections.abc import Sequence

from torch import Tensor

__all__ = ["sk_by_definition"]


def sk_by_definition(maps: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The sum of maps times their weights (Li et al. 2019, arXiv:1903.06586, eq. 6).

    Args:
        maps: K of (B, C, *size).
        weights: (K, B, C, 1, ...).

    Returns:
        (B, C, *size).
    """
    first, *others = (w * x for w, x in zip(weights.unbind(), maps, strict=True))
    return sum(others, first)
