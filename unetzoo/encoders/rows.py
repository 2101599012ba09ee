"""Some of an encoder's rows."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from unetzoo.encoders.base import Encoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import max_pool

__all__ = ["RowsEncoder"]


class RowsEncoder(Encoder):
    """Keep some rows of an encoder, for decoders that skip few (DeepLabv3+, FCN) or start coarse.

    For encoders whose rows lie one behind the other: layers that serve only a row left out stay untrained.

    Args:
        encoder: Builds the encoder whose rows are chosen.
        rows: Their numbers, finest first, 0 the finest of all, -1 the bottleneck, which must be among them;
            ``null`` is all.
        pooled: Read each row but the bottleneck after the max pooling that leads to the next one, at that
            one's stride (the pool3 and pool4 of FCN), for encoders that pool between their rows.

    Raises:
        ValueError: If a row is missing or named twice, the bottleneck is not among them, or two end up at the
            same stride.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        encoder: Callable[[int], Encoder],
        rows: Sequence[int] | None = None,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder(in_channels)
        self.channels_last = self.encoder.channels_last
        given = self.encoder.levels
        count = len(given)
        self.rows = list(range(count)) if rows is None else [r + count if r < 0 else r for r in rows]
        if not set(self.rows) <= set(range(count)) or sorted(set(self.rows)) != self.rows:
            raise ValueError(
                f"encoder.rows={list(rows or ())} must go up within this encoder's rows, 0 to {count - 1}; "
                "list each once, finest first"
            )
        if self.rows[-1:] != [count - 1]:
            raise ValueError(
                f"encoder.rows={list(rows or ())} leaves out the bottleneck, row {count - 1}; add it, "
                "or cut the encoder itself (encoder.depth, encoder.channels)"
            )
        self.levels = [given[r] for r in self.rows]
        self.pools = nn.ModuleList(nn.Identity() for _ in self.rows)
        if pooled:
            for k, r in enumerate(self.rows[:-1]):
                self.pools[k] = max_pool(ratio(given[r + 1].stride, given[r].stride))
                self.levels[k] = Level(given[r].channels, given[r + 1].stride)
        if any(a.stride == b.stride for a, b in pairwise(self.levels)):
            raise ValueError(
                f"encoder.rows={self.rows} end at the strides {[max(s) for _, s in self.levels]}; "
                "leave out the row before the bottleneck, which pooling makes its twin"
            )

    def forward(self, x: Tensor) -> list[Tensor]:
        """One feature map per chosen row."""
        features = self.encoder(x)
        return [pool(features[row]) for pool, row in zip(self.pools, self.rows, strict=True)]
