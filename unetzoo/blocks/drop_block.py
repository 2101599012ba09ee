"""Dropout of contiguous blocks."""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DropBlock"]


class DropBlock(nn.Module):
    """Zero blocks of a feature map in training, and scale up the rest (Ghiasi et al. 2018, arXiv:1810.12890).

    Neighbouring pixels say much the same, so dropping single ones takes little away. Blocks start at every
    place where they fit with probability ``p / size^n * prod(axis / (axis - size + 1))`` (eq. 1), so that a
    share p is dropped, a little less where blocks overlap. What is left is scaled by one factor for the whole
    batch. The identity in evaluation.

    Args:
        p: Share of the map that is dropped.
        size: Edge of a block in feature pixels; an axis that is shorter is dropped whole.
        per_channel: Drop other blocks in every channel, which the paper found slightly better; false drops
            the same in all.

    Attributes:
        progress: Factor of p, 0 to 1, for schedules; not part of the weights.
    """

    progress: Tensor

    def __init__(self, p: float = 0.1, *, size: int = 7, per_channel: bool = True) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p={p} is no share to drop; give 0 or more and less than 1")
        if size < 1:
            raise ValueError(f"size={size} is no block; give 1 or more")
        self.p, self.size, self.per_channel = p, size, per_channel
        self.register_buffer("progress", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        if not self.training or self.p == 0:
            return x
        keep = self.mask(x)
        return x * (keep * (keep.numel() / keep.sum().clamp(min=1))).to(x.dtype)

    def mask(self, x: Tensor) -> Tensor:
        """1 where (B, C, *size) is kept and 0 in the dropped blocks, (B, C or 1, *size) in float32."""
        axes = x.shape[2:]
        block = [min(self.size, axis) for axis in axes]
        starts = [axis - edge + 1 for axis, edge in zip(axes, block, strict=True)]
        share = self.p / prod(block) * prod(axes) / prod(starts)
        channels = x.shape[1] if self.per_channel else 1
        drawn = torch.rand(x.shape[0], channels, *starts, device=x.device)
        seeds = (drawn < share * self.progress).float()
        # a pixel is dropped if a block starts at it or less than an edge before: a maximum over a window
        room = [edge - 1 for edge in reversed(block) for _ in range(2)]
        pool = {2: F.max_pool2d, 3: F.max_pool3d}[len(axes)]
        dropped: Tensor = pool(F.pad(seeds, room), block, stride=1)
        return 1 - dropped

    def extra_repr(self) -> str:
        """Options for ``print(model)``."""
        return f"p={self.p}, size={self.size}, per_channel={self.per_channel}"
