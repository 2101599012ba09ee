"""U-Net's skip."""

from collections.abc import Sequence

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["ConcatSkip"]


class ConcatSkip(SkipPathway):
    """Hand every level on and concatenate it, [skip, gate] (Ronneberger et al. 2015, arXiv:1505.04597)."""

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate]) -> None:
        super().__init__(encoder, decoder)
