"""The assembler: encoder, skip pathway, decoder and heads become one network."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.decoders import Decoder
from unetzoo.encoders import Encoder
from unetzoo.heads import FusedHead, Head
from unetzoo.hub import HubMixin
from unetzoo.levels import Gate, Level
from unetzoo.skips import SkipPathway

__all__ = ["UNet"]


class UNet(HubMixin, nn.Module):
    """A U-shaped segmentation network put together from four parts.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes, background included.
        encoder: Builds the encoder from ``in_channels``.
        skip: Builds the skip pathway from the encoder's rows and the decoder's gates.
        decoder: Builds the decoder from the encoder's rows.
        head: Builds a head from decoder rows and ``num_classes``.
        deep_supervision: Also make heads for the pathway's side outputs, or for the decoder's coarser rows
            where the pathway has none; ``forward_deep`` returns them.
        average_heads: Let ``forward`` return the mean of all heads' logits (UNet++'s "accurate" mode) instead
            of the main head's; needs ``deep_supervision``.

    Attributes:
        divisor: The network's own padding unit per axis, the stride of the bottleneck; images of any size are
            accepted.
        activation: softmax or sigmoid, what turns the logits into probabilities.
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
        deep_supervision: bool = False,
        average_heads: bool = False,
    ) -> None:
        super().__init__()
        if average_heads and not deep_supervision:
            raise ValueError("average_heads=true needs the side heads of deep_supervision=true")
        self.in_channels, self.num_classes = in_channels, num_classes
        self.deep_supervision, self.average_heads = deep_supervision, average_heads
        self.encoder = encoder(in_channels)
        if len(self.encoder.levels) < 2:
            raise ValueError(
                "the encoder has a single level, so there is nothing to skip; give it a depth of 2 or more"
            )
        self.divisor = self.encoder.levels[-1].stride
        self.decoder = decoder(self.encoder.levels)
        self.skip = skip(self.encoder.levels, self.decoder.gates)
        self.decoder.build(self.skip.merged)
        self.heads = nn.ModuleList([head(self.decoder.levels, num_classes)])
        if deep_supervision:
            sides = self.skip.side_levels or self.decoder.levels[1:]
            self.heads.extend(head([side], num_classes) for side in sides)

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.encoder.levels[0].stride)

    @property
    def activation(self) -> str:
        """Softmax or sigmoid."""
        return str(self.heads[0].activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to logits (B, outputs, *size), for any size."""
        if self.average_heads:
            return torch.stack(self.forward_deep(x)).mean(0)
        decoded = self.decoder(self.skip(self.encoder(self.pad(x))), self.skip.merge)
        return self.crop(self.heads[0](decoded), x)

    def forward_deep(self, x: Tensor) -> list[Tensor]:
        """Logits of every supervised head at the image's size, the main one first.

        The others follow in the order they are built: side outputs shallowest first, decoder rows finest
        first.
        """
        skips = self.skip(self.encoder(self.pad(x)))
        decoded = self.decoder(skips, self.skip.merge)
        sides = self.skip.side_outputs(skips) or decoded[-2::-1]
        features = [decoded, *([side] for side in sides)]
        return [self.crop(head(f), x) for head, f in zip(self.heads, features, strict=False)]

    def prune(self, depth: int) -> "UNet":
        """The sub-network of a UNet++ that ends at side output X[0][depth]; see `unetzoo.pruning.prune`."""
        from unetzoo.pruning import prune

        return prune(self, depth)

    def pad(self, x: Tensor) -> Tensor:
        """Repeat the border at the far end of each axis up to the next multiple of ``divisor``."""
        # written so that divisions stay positive: ONNX rounds negative ones the other way
        missing = [
            (size + unit - 1) // unit * unit - size
            for size, unit in zip(x.shape[2:], self.divisor, strict=True)
        ]
        # while a graph with dynamic sizes is recorded these are symbols, and padding must stay in the graph
        if all(isinstance(m, int) and m == 0 for m in missing):
            return x
        # F.pad lists the last axis first
        return F.pad(x, [p for m in reversed(missing) for p in (0, m)], mode="replicate")

    @staticmethod
    def crop(logits: Tensor, like: Tensor) -> Tensor:
        """Take the padding off again."""
        for axis in range(2, like.dim()):
            logits = logits.narrow(axis, 0, like.shape[axis])
        return logits
