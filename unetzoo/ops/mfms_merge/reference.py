"""What the merge of MFMS and AFF is."""

from torch import Tensor

__all__ = ["mfms_by_definition"]


def mfms_by_definition(pixels: Tensor, whole: Tensor, skip: Tensor, gate: Tensor, gain: float) -> Tensor:
    """``gain (w skip + (1 - w) gate)`` with ``w = sigmoid(pixels + whole)`` (arXiv:2009.14082, eq. 3 and 4).

    Args:
        pixels: (B, C, *size).
        whole: (B, C, 1, ...).
        skip: (B, C, *size).
        gate: (B, C, *size).

    Returns:
        (B, C, *size).
    """
    weights = (pixels + whole).sigmoid()
    return gain * (weights * skip + (1 - weights) * gate)
