"""Skips weighed by an attention block of one's choice."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["Reweight"]


class Reweight(SkipPathway):
    """Send every skip through a block of its own that keeps its shape.

    Made for the channel and pixel attentions of `unetzoo.blocks` (`SqueezeExcite`, `CBAM`, `ScSE`,
    `EfficientChannelAttention`), whose papers put them after the convolutions of a network; on the skips they
    decide, without looking at the decoder, what is worth sending.

    Args:
        block: Makes the block of one row from the number of dimensions and the row's channels.
        rows: Rows that have one, 0 the finest and -1 the coarsest skip's; ``None`` is all of these.
        shared: One block for all rows, which must then be of one width.
        identity_init: Start as the plain skip, so that a trained U-Net can be upgraded in place; given to the
            blocks.

    Raises:
        ValueError: If a row is listed that meets no skip, or rows of several widths share a block.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        block: Callable[..., nn.Module],
        rows: Sequence[int] | None = None,
        shared: bool = False,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        skips = range(len(decoder))
        if wrong := [row for row in rows or () if not -len(skips) <= row < len(skips)]:
            raise ValueError(f"rows={list(rows or ())}: there is no skip {wrong[0]}; list 0 to {skips[-1]}")
        chosen = list(skips if rows is None else dict.fromkeys(skips[row] for row in rows))
        widths = [encoder[row].channels for row in chosen]
        if shared and len(set(widths)) > 1:
            raise ValueError(f"rows of widths {widths} cannot share a block; set shared to false")
        self.block_of = {row: 0 if shared else k for k, row in enumerate(chosen)}
        # only what was asked for, so that a block without the switch can be used
        switch = {"identity_init": True} if identity_init else {}
        self.blocks = nn.ModuleList(
            block(len(encoder[0].stride), width, **switch) for width in widths[: 1 if shared else None]
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, weighed; the bottleneck unchanged."""
        return [
            self.blocks[self.block_of[row]](feature) if row in self.block_of else feature
            for row, feature in enumerate(features)
        ]
