"""An encoder's rows at one width."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from unetzoo.blocks import Block
from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level

__all__ = ["ProjectedEncoder"]


class ProjectedEncoder(Encoder):
    """Bring all rows of an encoder to one width, for thin decoders and for skips that mix rows.

    Or each to its own: UNETR (Hatamizadeh et al. 2021, arXiv:2103.10504) sends every row, and the image as
    the finest, through a residual block on its way to the decoder.

    Args:
        encoder: Builds the encoder whose rows are projected.
        channels: Width of every row, or one per row, finest first.
        project: Builds what projects a row, from (ndim, channels in, channels out).
        image: Builds, in the same way, what makes a row at stride 1 of the image; ``None`` makes none.

    Raises:
        ValueError: If there is not one width per row, or ``image`` makes a row that the encoder has.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        encoder: Callable[[int], Encoder],
        project: Block,
        channels: int | Sequence[int] = 32,
        image: Block | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder(in_channels)
        self.channels_last = self.encoder.channels_last
        given, makers = list(self.encoder.levels), [project] * len(self.encoder.levels)
        if image is not None:
            if max(given[0].stride) == 1:
                raise ValueError("encoder.image makes a row at stride 1, which this encoder has; drop it")
            given, makers = [Level(in_channels, (1,) * len(given[0].stride)), *given], [image, *makers]
        widths = [channels] * len(given) if isinstance(channels, int) else list(channels)
        if len(widths) != len(given):
            raise ValueError(f"encoder.channels {widths} must give one width for each of {len(given)} rows")
        self.projections = nn.ModuleList(
            make(len(row.stride), row.channels, width)
            for make, row, width in zip(makers, given, widths, strict=True)
        )
        self.levels = [Level(width, row.stride) for row, width in zip(given, widths, strict=True)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per row."""
        rows = self.encoder(x)
        rows = rows if len(rows) == len(self.projections) else [x, *rows]
        return [make(row) for make, row in zip(self.projections, rows, strict=True)]
