"""Semantics and detail infusion: every row is a product over all rows."""

from collections.abc import Sequence

from torch import Tensor, nn

from unetzoo.blocks import attentive_projection
from unetzoo.levels import Gate, Level, ratio
from unetzoo.nd import conv, resize
from unetzoo.skips.base import SkipPathway
from unetzoo.skips.neck import unit_gain

__all__ = ["SDI"]


class SDI(SkipPathway):
    """Infuse detail from finer rows and semantics from coarser ones by multiplying all of them.

    ``out[i] = prod over j of conv3x3[i][j](resize(f[j]))``, Peng et al. 2023, "U-Net v2", arXiv:2311.17791,
    where each f has been through CBAM and a 1x1 convolution with norm. Finer rows are averaged down, coarser
    ones interpolated linearly. A product of many maps explodes or vanishes readily, in half precision above
    all; with ``safe`` the other rows scale the row's own by factors in (0, 2).

    Args:
        channels: Width that all rows are brought to first, and that skips keep; the bottleneck returns to its
            own through a 1x1 convolution. ``None`` takes the rows as they are, which must be of one width.
        safe: ``out[i] = conv[i][i](f[i]) * prod over j != i of (1 + tanh(conv[i][j](resize(f[j]))))``.

    Raises:
        ValueError: If ``channels`` is ``None`` and widths differ.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        channels: int | None = 32,
        safe: bool = False,
    ) -> None:
        *rows, bottleneck = encoder
        ndim = len(bottleneck.stride)
        width = bottleneck.channels if channels is None else channels
        if channels is None and any(row.channels != width for row in rows):
            raise ValueError(
                f"skip.channels=null multiplies rows of one width, got {[row.channels for row in encoder]}; "
                "give a width or choose encoder=projected"
            )
        super().__init__(encoder, decoder, levels=[*(Level(width, row.stride) for row in rows), bottleneck])
        self.safe = safe
        self.projections = nn.ModuleList(
            nn.Identity() if channels is None else attentive_projection(ndim, row.channels, width)
            for row in encoder
        )
        self.resizes = nn.ModuleList(
            nn.ModuleList(_resize(source.stride, row.stride) for source in encoder) for row in encoder
        )
        self.convs = nn.ModuleList(
            nn.ModuleList(conv(ndim, width, width, 3) for _ in encoder) for _ in encoder
        )
        self.back = nn.Identity() if channels is None else unit_gain(conv(ndim, width, bottleneck.channels))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """(B, C_i, *size_i) per row to (B, channels, *size_i), the bottleneck at its own width."""
        f = [project(x) for project, x in zip(self.projections, features, strict=True)]
        *rows, coarsest = (self.infuse(i, f) for i in range(len(f)))
        return [*rows, self.back(coarsest)]

    def infuse(self, row: int, f: Sequence[Tensor]) -> Tensor:
        """All rows (B, channels, *size_j) to row ``row``, (B, channels, *size_row)."""
        out: Tensor = self.convs[row][row](f[row])  # type: ignore[index]
        for j, x in enumerate(f):
            if j != row:
                factor: Tensor = self.convs[row][j](self.resizes[row][j](x))  # type: ignore[index]
                out = out * (1 + factor.tanh() if self.safe else factor)
        return out


def _resize(source: tuple[int, ...], target: tuple[int, ...]) -> nn.Module:
    if all(s >= t for s, t in zip(source, target, strict=True)):
        return resize(ratio(source, target))
    factor = ratio(target, source)
    pool: type[nn.Module] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[len(factor)]
    return pool(factor)
