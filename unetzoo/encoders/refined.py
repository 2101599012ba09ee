"""An encoder's rows behind blocks of their own, and a row at the image's resolution."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.blocks import Block
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level

__all__ = ["RefinedEncoder"]


class RefinedEncoder(Encoder):
    """A block on each row of a coarse encoder, and one on the image, which such an encoder has no row for.

    What stands between Swin UNETR's transformer and its decoder (Hatamizadeh et al. 2022, arXiv:2201.01266,
    fig. 1) and Swin-UMamba's scans and its decoder (arXiv:2402.03302).

    Args:
        encoder: Builds the encoder; its finest row is coarser than the image.
        block: Builds a block from (ndim, channels in, channels out).
        plain: Rows of the encoder that go without a block, 0 the finest, -1 the bottleneck.
        widen: Let blocks bring each row to the width of the next one, the image to the finest's.
        normed: Whether every row of the encoder first gets a layer norm without weights.

    Raises:
        ValueError: If the encoder has a row at the image's resolution.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        encoder: Callable[[int], Encoder],
        block: Block,
        plain: Sequence[int] = (),
        widen: bool = False,
        normed: bool = True,
    ) -> None:
        super().__init__()
        self.normed = normed
        self.encoder = encoder(in_channels)
        given = self.encoder.levels
        ndim = len(given[0].stride)
        if max(given[0].stride) == 1:
            raise ValueError(
                "the refined encoder has a row at the image's resolution already; take it as it is"
            )
        self.image = block(ndim, in_channels, given[0].channels)
        left_out = {range(len(given))[row] for row in plain}
        coarser = [*given[1:], given[-1]]
        targets = [
            coarse if widen and row not in left_out else level
            for row, (level, coarse) in enumerate(zip(given, coarser, strict=True))
        ]
        self.blocks = nn.ModuleList(
            nn.Identity() if row in left_out else block(ndim, level.channels, target.channels)
            for row, (level, target) in enumerate(zip(given, targets, strict=True))
        )
        refined = (Level(target.channels, level.stride) for level, target in zip(given, targets, strict=True))
        self.levels = [Level(given[0].channels, (1,) * ndim), *refined]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        rows = self.encoder(x)
        if self.normed:
            rows = [F.layer_norm(row.movedim(1, -1), row.shape[1:2]).movedim(-1, 1) for row in rows]
        return [self.image(x), *(block(row) for block, row in zip(self.blocks, rows, strict=True))]
