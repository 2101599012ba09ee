"""U-Net's skip."""

from collections.abc import Sequence

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import Concat, Merge, SkipPathway
from unetzoo.skips.none import Unmet

__all__ = ["ConcatSkip"]


class ConcatSkip(SkipPathway):
    """Hand every level on and concatenate it, [skip, gate] (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        rows: Rows that are concatenated, 0 the finest; on others the decoder goes on with its own feature.
            ``None`` is all.

    Raises:
        ValueError: If a row is listed that meets no skip.
    """

    def __init__(
        self, encoder: Sequence[Level], decoder: Sequence[Gate], *, rows: Sequence[int] | None = None
    ) -> None:
        skips = range(len(decoder))
        if wrong := [row for row in rows or () if not -len(skips) <= row < len(skips)]:
            raise ValueError(f"rows={list(rows or ())}: there is no skip {wrong[0]}; list 0 to {skips[-1]}")
        chosen = {encoder[skips[row]].stride for row in (skips if rows is None else rows)}

        def merge(skip: Level, gate: Gate) -> Merge:
            return Concat(skip, gate) if skip.stride in chosen else Unmet(skip, gate)

        super().__init__(encoder, decoder, merge=None if rows is None else merge)
