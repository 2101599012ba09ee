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
        rows: Rows that have one, 0 the finest; ``None`` is all but the bottleneck.
        identity_init: Start as the plain skip, so that a trained U-Net can be upgraded in place; given to the
            blocks.

    Raises:
        ValueError: If a row is listed that meets no skip.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        block: Callable[..., nn.Module],
        rows: Sequence[int] | None = None,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        if wrong := [row for row in rows or () if not 0 <= row < len(decoder)]:
            raise ValueError(
                f"rows={list(rows or ())}: there is no skip {wrong[0]}; list 0 to {len(decoder) - 1}"
            )
        # only what was asked for, so that a block without the switch can be used
        switch = {"identity_init": True} if identity_init else {}
        self.blocks = nn.ModuleList(
            block(len(level.stride), level.channels, **switch)
            if rows is None or row in rows
            else nn.Identity()
            for row, level in enumerate(encoder[:-1])
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same, weighed; the bottleneck unchanged."""
        *skips, bottleneck = features
        return [*(block(skip) for block, skip in zip(self.blocks, skips, strict=True)), bottleneck]
