"""The assembler: encoder, skip pathway, decoder and heads become one network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.decoders import Decoder
from unetzoo.encoders import Encoder
from unetzoo.heads import FusedHead, Head
from unetzoo.lean import lean
from unetzoo.levels import Gate, Level
from unetzoo.nd import crop_to
from unetzoo.network import SegmentationNetwork
from unetzoo.skips import SkipPathway

__all__ = ["UNet"]


class UNet(SegmentationNetwork):
    """A U-shaped segmentation network put together from four parts.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes, background included.
        encoder: Builds the encoder from ``in_channels``.
        skip: Builds the skip pathway from the encoder's rows and the decoder's gates.
        decoder: Builds the decoder from the encoder's rows.
        head: Builds a head from decoder rows and ``num_classes``.
        deep_supervision: Also make heads for the pathway's side outputs, or for the decoder's coarser rows
            where the pathway has none; ``forward_deep`` returns them. A fused head brings the latter itself.
        auxiliary: Builds further objectives, by name, from the decoder's rows and ``num_classes``; they
            act in training alone.
        average_heads: Let ``forward`` return the mean of all heads' logits (UNet++'s "accurate" mode) instead
            of the main head's; needs ``deep_supervision``.
        main_head: Let ``forward`` return the logits of this head of ``forward_deep`` (UNet++'s "fast" mode: d
            is X[0][d]). A graph exported so is without the decoder where the head is a side output's; `prune`
            drops all that the head does not need.
        memory: What a training step keeps of the forward pass: plain, all that autograd asks for; lean, what
            takes long to compute, with the rest computed again in the backward pass (`unetzoo.lean`). The
            gradients are the same.

    Raises:
        ValueError: If parts or options do not go together, or ``memory`` is neither.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        encoder: Callable[[int], Encoder],
        skip: Callable[[Sequence[Level], Sequence[Gate]], SkipPathway],
        decoder: Callable[[Sequence[Level]], Decoder],
        head: Callable[[Sequence[Level], int], Head | FusedHead],
        auxiliary: Mapping[str, Callable[[Sequence[Level], int], Auxiliary]] | None = None,
        deep_supervision: bool = False,
        average_heads: bool = False,
        main_head: int = 0,
        memory: Literal["plain", "lean"] = "plain",
    ) -> None:
        super().__init__()
        if memory not in ("plain", "lean"):
            raise ValueError(f"memory must be plain or lean, not {memory!r}")
        self.memory = memory
        if average_heads and not deep_supervision:
            raise ValueError("average_heads=true needs the side heads of deep_supervision=true")
        if average_heads and main_head:
            raise ValueError(
                f"average_heads=true takes all heads and main_head={main_head} a single one; drop one"
            )
        self.in_channels, self.num_classes = in_channels, num_classes
        self.deep_supervision, self.average_heads, self.main_head = deep_supervision, average_heads, main_head
        self.encoder = encoder(in_channels)
        if len(self.encoder.levels) < 2:
            raise ValueError(
                "the encoder has a single level, so there is nothing to skip; give it a depth of 2 or more"
            )
        self.divisor = self.encoder.levels[-1].stride
        self.channels_last = self.encoder.channels_last
        self.decoder = decoder(self.encoder.levels)
        if self.ndim not in self.decoder.ndims:
            raise ValueError(f"{type(self.decoder).__name__} is not for {self.ndim}D; choose another decoder")
        self.skip = skip(self.encoder.levels, self.decoder.gates)
        if self.skip.merges_itself and not self.decoder.merges:
            raise ValueError(
                f"{type(self.skip).__name__} merges with the decoder, and {type(self.decoder).__name__} "
                "brings nothing to merge with; choose another skip pathway or another decoder"
            )
        if self.skip.needs_side_heads and not deep_supervision:
            raise ValueError(
                f"a part of {type(self.skip).__name__} is trained by side heads alone; "
                "set deep_supervision=true"
            )
        self.decoder.build(self.skip.merged)
        rows = self.decoder.levels
        self.heads = nn.ModuleList([head(rows, num_classes)])
        # a fused head has logits of the decoder's rows of its own
        self.fused_sides = isinstance(self.heads[0], FusedHead) and not self.skip.side_levels
        if deep_supervision and not self.fused_sides:
            sides = [[side] for side in self.skip.side_levels] or [rows[i:] for i in range(1, len(rows))]
            # a head that shares something with its side heads makes them itself
            make_side = getattr(self.heads[0], "side", head)
            self.heads.extend(make_side(side, num_classes) for side in sides)
        count = 1 + len(rows) if deep_supervision and self.fused_sides else len(self.heads)
        if not 0 <= main_head < count:
            raise ValueError(
                f"main_head={main_head} is not between 0 and {count - 1}, the heads of this model; "
                "side heads come with deep_supervision=true"
            )
        self.auxiliary = nn.ModuleDict({k: make(rows, num_classes) for k, make in (auxiliary or {}).items()})
        main: Any = self.heads[0]
        self.activation, self.outputs = main.activation, main.outputs

    def decode(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The pathway's rows, finest first, and the decoder's, coarsest first, of the padded image."""
        skips = self.skip(self.encoder(self.pad(x)))
        return skips, self.decoder(skips, self.skip.merge)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to logits (B, outputs, *size), for any size."""
        if self.average_heads:
            return self.mean_of(self.forward_deep(x))
        if self.main_head:
            return self.forward_deep(x)[self.main_head]
        with lean(self.memory == "lean"):
            return crop_to(self.heads[0](self.decode(x)[1]), x)

    def forward_deep(self, x: Tensor) -> list[Tensor]:
        """Logits of every supervised head at the image's size, the main one first.

        The others follow in the order they are built: side outputs shallowest first, decoder rows finest
        first.
        """
        with lean(self.memory == "lean"):
            return self._supervised(x, *self.decode(x))

    def forward_train(self, x: Tensor, target: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """`forward_deep`, and the weighted auxiliary losses by name, in one pass."""
        with lean(self.memory == "lean"):
            skips, decoded = self.decode(x)
            losses = {name: part.weight * part(decoded, target) for name, part in self.objectives()}
            return self._supervised(x, skips, decoded), losses

    def _supervised(self, x: Tensor, skips: list[Tensor], decoded: list[Tensor]) -> list[Tensor]:
        if self.deep_supervision and self.fused_sides:
            fused: Any = self.heads[0]
            return [crop_to(logits, x) for logits in fused.forward_deep(decoded)]
        # a head on a row sees the coarser rows too, as the main one does
        coarser = [decoded[: i + 1] for i in reversed(range(len(decoded) - 1))]
        features = [decoded, *([[side] for side in self.skip.side_outputs(skips)] or coarser)]
        return [crop_to(head(f), x) for head, f in zip(self.heads, features, strict=False)]

    def prune(self, depth: int) -> "UNet":
        """The sub-network of a UNet++ that ends at side output X[0][depth]; see `unetzoo.pruning.prune`."""
        from unetzoo.pruning import prune

        return prune(self, depth)
