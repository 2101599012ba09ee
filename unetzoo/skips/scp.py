"""CATNet's spatial context pyramid as a skip pathway."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.nd import conv
from unetzoo.skips.base import SkipPathway
from unetzoo.skips.neck import unit_gain

__all__ = ["SpatialContext"]


class SpatialContext(SkipPathway):
    """Add to every pixel what the whole row holds, as far as the pixel asks for it.

    ``x + sigmoid(a(x)) * m(sum_pixels softmax(k(x)) * v(x))`` on each row, Liu et al. 2021,
    "Learning to Aggregate Multi-Scale Context", arXiv:2111.11057 (SCP). Since v is linear and the softmax
    sums to 1, the context is pooled before v: the same result without a full-size v. m starts at zero, so at
    first nothing is added.

    Args:
        inner: Channels of v, at most the row's own; the paper's are the row's, 256.
    """

    identity = "concat"

    def __init__(self, encoder: Sequence[Level], decoder: Sequence[Gate], *, inner: int = 256) -> None:
        super().__init__(encoder, decoder)
        self.rows = nn.ModuleList(
            _Context(len(row.stride), row.channels, min(inner, row.channels)) for row in encoder
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Every row at its width, the bottleneck too."""
        return [row(f) for row, f in zip(self.rows, features, strict=True)]


class _Context(nn.Module):
    def __init__(self, ndim: int, channels: int, inner: int) -> None:
        super().__init__()
        self.a, self.k = (unit_gain(conv(ndim, channels, 1)) for _ in range(2))
        self.v, self.m = unit_gain(conv(ndim, channels, inner)), conv(ndim, inner, channels)
        for parameter in self.m.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.k(x).flatten(2).float().softmax(2).to(x.dtype)  # (B, 1, N)
        pooled = x.flatten(2) @ shares.transpose(1, 2)  # (B, C, 1)
        context = self.m(self.v(pooled.reshape(*pooled.shape[:2], *[1] * (x.dim() - 2))))
        out: Tensor = x + context * self.a(x).sigmoid()
        return out
