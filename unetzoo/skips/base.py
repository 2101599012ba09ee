"""What every skip pathway is: something across the levels, something at the merge, either optional."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unetzoo.levels import Gate, Level

__all__ = ["Concat", "Merge", "SkipPathway"]


class Merge(nn.Module):
    """Joins a skip with the decoder at one row.

    Attributes:
        channels: Width of what ``forward`` returns.
    """

    channels: int

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """Merge one row.

        Args:
            skip: (B, C, *size), the pathway's feature of this row.
            gate: (B, D, *size), the decoder's feature resampled to this row.
            coarse: (B, D', *size'), the same before resampling; a 1x1 convolution of the gate is cheaper
                here.

        Returns:
            (B, channels, *size).
        """
        raise NotImplementedError


class Concat(Merge):
    """[skip, gate], in this order everywhere (U-Net, Ronneberger et al. 2015, arXiv:1505.04597)."""

    def __init__(self, skip: Level, gate: Gate) -> None:
        super().__init__()
        self.channels = skip.channels + gate.channels

    def forward(self, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, *size) and (B, D, *size) to (B, C + D, *size)."""
        return torch.cat([skip, gate], 1)


class SkipPathway(nn.Module):
    """How encoder features reach the decoder; as it stands, U-Net's own.

    A pathway overrides ``forward`` to act on all levels before decoding, and gives ``merge`` to act on one
    row at a time with the decoder's feature as gating signal. It publishes its widths before a weight exists.

    Args:
        encoder: Rows of the encoder, finest first, bottleneck last.
        decoder: What the decoder brings to each row but the bottleneck, finest first.
        levels: Rows that ``forward`` returns, if not the encoder's. The bottleneck's row stays as it is.
        merge: Builds the merge of one row; ``None`` concatenates.

    Attributes:
        levels: Rows that ``forward`` returns.
        merged: Channels that each merge returns.
        side_levels: Rows of ``side_outputs``, for deep supervision.
        merges_itself: Whether the pathway brought a merge of its own.
        needs_side_heads: Whether a part of it reaches the loss through heads on its side outputs alone.
        ndims: Dimensions it is for.
        dynamic_size: Whether an exported graph may take any image size.
        identity: The plain skip (``concat``, ``add``) that this one equals before training, given
            ``identity_init=True`` if it has such a switch; ``None`` if it never does.
    """

    ndims: tuple[int, ...] = (2, 3)
    dynamic_size: bool = True
    identity: str | None = None
    needs_side_heads: bool = False

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        levels: Sequence[Level] | None = None,
        merge: Callable[[Level, Gate], Merge] | None = None,
    ) -> None:
        super().__init__()
        if len(encoder) != len(decoder) + 1:
            raise ValueError(
                f"{len(encoder)} encoder rows need {len(encoder) - 1} decoder rows, got {len(decoder)}"
            )
        if len(encoder[0].stride) not in self.ndims:
            raise ValueError(
                f"{type(self).__name__} is not for {len(encoder[0].stride)}D; choose another skip pathway"
            )
        self.levels = list(encoder if levels is None else levels)
        if self.levels[-1] != encoder[-1]:
            raise ValueError(
                f"{type(self).__name__} changes the bottleneck from {encoder[-1]} to {self.levels[-1]}; "
                "keep its row"
            )
        self.side_levels: list[Level] = []
        self.merges_itself = merge is not None
        self.merges = nn.ModuleList(
            (merge or Concat)(e, d) for e, d in zip(self.levels, decoder, strict=False)
        )

    @property
    def merged(self) -> list[int]:
        """Channels after each merge, finest first."""
        return [m.channels for m in self.merges if isinstance(m, Merge)]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row to one tensor per row."""
        return features

    def merge(self, level: int, skip: Tensor, gate: Tensor, coarse: Tensor) -> Tensor:
        """Join row ``level``; see `Merge.forward`."""
        out: Tensor = self.merges[level](skip, gate, coarse)
        return out

    def side_outputs(self, skips: list[Tensor]) -> list[Tensor]:
        """Features for deep supervision, one per entry of ``side_levels``, shallowest first."""
        return []
