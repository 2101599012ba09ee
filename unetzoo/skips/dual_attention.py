"""Skips that attend to all their pixels and all their channels."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks.dual_attention import DualAttention
from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["DualAttentionSkip"]


class DualAttentionSkip(SkipPathway):
    """Replace each skip by what attention between its pixels and between its channels makes of it.

    Sun et al. 2023, "DA-TransUNet", arXiv:2310.12570; see `DualAttention`. There is no residual, and the
    bottleneck is left alone. Pairs of pixels are the square of the pixels, so this is for patches of a
    limited size and encoders whose first row is coarser than the image.

    Args:
        reduction: Inner channels are ``channels // reduction``, at least one.
        max_tokens: The most pixels per row; an image with more is refused.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        reduction: int = 16,
        max_tokens: int = 16384,
    ) -> None:
        super().__init__(encoder, decoder)
        self.blocks = nn.ModuleList(
            DualAttention(
                len(row.stride),
                row.channels,
                reduction=reduction,
                max_tokens=max_tokens,
                where=f"skip {i} at stride {row.stride}",
            )
            for i, row in enumerate(encoder[:-1])
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to the same shapes, the bottleneck unchanged."""
        *rows, bottleneck = features
        return [*(block(x) for block, x in zip(self.blocks, rows, strict=True)), bottleneck]
