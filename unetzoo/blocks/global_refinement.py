"""What BiSeNet makes of the bottleneck."""

from torch import Tensor, nn

from unetzoo.blocks.attention_refinement import AttentionRefinement
from unetzoo.blocks.context import Context
from unetzoo.blocks.pooled_norm import pooled_unit
from unetzoo.levels import Level

__all__ = ["GlobalRefinement"]


class GlobalRefinement(Context):
    """Attention refinement, plus one vector for the whole map.

    ``ARM(x) + relu(norm(w mean(x)))``, the tail of the context path of Yu et al. 2018, "BiSeNet",
    arXiv:1808.00897, fig. 2a.
    """

    def __init__(self, level: Level, *, channels: int = 128) -> None:
        super().__init__()
        ndim, self.channels = len(level.stride), channels
        self.refine = AttentionRefinement(ndim, level.channels, channels)
        self.whole = nn.Sequential(*pooled_unit(ndim, level.channels, channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to (B, channels, *size)."""
        out: Tensor = self.refine(x) + self.whole(x.mean(tuple(range(2, x.dim())), keepdim=True))
        return out
