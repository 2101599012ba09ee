"""Skips that see the whole map."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["ScannedSkip"]


class ScannedSkip(SkipPathway):
    """Send skips and bottleneck through blocks of selective scans, so that every pixel sees every other.

    MEUNet (Zhou et al. 2025, "GLFC", arXiv:2501.02992): the encoder itself goes on with what it had. Their
    cost grows with the pixels, and fine rows have many: ``rows`` leaves some out and ``max_tokens`` refuses
    what would take too long.

    Args:
        block: Makes a block from the number of dimensions and the row's channels: `VSS` (MEUNet's, as its
            text is mostly read) or `MambaLayer` (a Mamba along the pixels).
        blocks: Blocks per row.
        rows: Skips that have blocks, 0 the finest and -1 the coarsest; ``None`` is all of them.
        bottleneck: Whether the bottleneck has blocks too.
        max_tokens: Pixels that a map with blocks may have; ``None`` is any number. ONNX in its form for any
            runtime is exact up to 65,536.
        identity_init: Start as the plain skip, so that a trained U-Net can be upgraded in place; given to the
            blocks.

    Raises:
        ValueError: If a row is listed that meets no skip, no row has blocks, or, when it runs, a map has more
            pixels than ``max_tokens``.
    """

    identity = "concat"

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        block: Callable[..., nn.Module],
        blocks: int = 1,
        rows: Sequence[int] | None = None,
        bottleneck: bool = True,
        max_tokens: int | None = 65_536,
        identity_init: bool = False,
    ) -> None:
        super().__init__(encoder, decoder)
        skips = range(len(decoder))
        if wrong := [row for row in rows or () if not -len(skips) <= row < len(skips)]:
            raise ValueError(f"rows={list(rows or ())}: there is no skip {wrong[0]}; list 0 to {skips[-1]}")
        chosen = {skips[row] for row in (skips if rows is None else rows)} | (
            {len(skips)} if bottleneck else set()
        )
        if not chosen or blocks < 1:
            raise ValueError(
                f"rows={list(rows or ())} with bottleneck={str(bottleneck).lower()} and blocks={blocks} scan "
                "nothing; choose another skip pathway"
            )
        self.max_tokens = max_tokens
        # only what was asked for, so that a block without the switch can be used
        switch = {"identity_init": True} if identity_init else {}
        self.stacks = nn.ModuleDict(
            {
                str(row): nn.Sequential(
                    *(block(len(level.stride), level.channels, **switch) for _ in range(blocks))
                )
                for row, level in enumerate(encoder)
                if row in chosen
            }
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to the same."""
        return [self.scan(row, x) if str(row) in self.stacks else x for row, x in enumerate(features)]

    def scan(self, row: int, x: Tensor) -> Tensor:
        """(B, C, *size) of a row to the same."""
        # a recorded graph takes any size
        if self.max_tokens is not None and not torch.compiler.is_compiling():
            pixels = x.shape[2:].numel()
            if pixels > self.max_tokens:
                raise ValueError(
                    f"row {row} is a map of {tuple(x.shape[2:])}, {pixels} tokens to scan, and "
                    f"skip.max_tokens is {self.max_tokens}; leave the row out of skip.rows, use smaller "
                    "tiles or raise the limit"
                )
        out: Tensor = self.stacks[str(row)](x)
        return out
