"""A norm between encoder and decoder."""

from torch import Tensor

from unetzoo.blocks.context import Context
from unetzoo.levels import Level
from unetzoo.nd import Norm, norm

__all__ = ["BottleneckNorm"]


class BottleneckNorm(Context):
    """A norm on the bottleneck, which encoders of norm-first blocks leave without one."""

    def __init__(self, level: Level, *, norm_name: Norm = "layer") -> None:
        super().__init__()
        self.channels = level.channels
        self.norm = norm(norm_name, len(level.stride), level.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = self.norm(x)
        return out
