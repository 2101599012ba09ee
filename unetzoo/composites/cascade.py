"""Several U's one after the other, each a correction of what came before."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from unetzoo.decoders import Decoder
from unetzoo.encoders import Encoder
from unetzoo.heads import FusedHead, Head
from unetzoo.levels import Gate, Level
from unetzoo.nd import conv, crop_to
from unetzoo.network import SegmentationNetwork
from unetzoo.skips import SkipPathway

__all__ = ["Cascade", "Wave"]


class Cascade(SegmentationNetwork):
    """``x + wave_1(x)``, and so on, at full resolution between a lifting convolution and the head.

    After Zhang et al. 2024, "SineNet", arXiv:2403.19507: each wave has to move features by little, so that
    the skips within it are hardly misaligned.

    Args:
        in_channels: Bands of the image.
        num_classes: Classes, background included.
        channels: Width between the waves.
        waves: Number of U's.
        encoder: Builds a wave's encoder from ``channels``; its finest row has that width and stride 1.
        skip: As in `UNet`.
        decoder: As in `UNet`; its finest row has ``channels`` and stride 1 too.
        head: As in `UNet`, on the last wave's sum.
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
        channels: int = 64,
        waves: int = 8,
    ) -> None:
        super().__init__()
        if waves < 1:
            raise ValueError(f"a cascade needs at least one wave, got {waves}")
        self.in_channels, self.num_classes = in_channels, num_classes
        cores = [Wave(channels, encoder=encoder, skip=skip, decoder=decoder) for _ in range(waves)]
        self.divisor = cores[0].encoder.levels[-1].stride
        self.channels_last = cores[0].encoder.channels_last
        self.lift = conv(self.ndim, in_channels, channels, 3)
        self.waves = nn.ModuleList(cores)
        main: Any = head([Level(channels, (1,) * self.ndim)], num_classes)
        self.head: nn.Module = main
        self.activation, self.outputs = main.activation, main.outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to logits (B, outputs, *size), for any size."""
        features = self.lift(self.pad(x))
        for wave in self.waves:
            features = features + wave(features)
        return crop_to(self.head([features]), x)


class Wave(nn.Module):
    """A U that keeps width and size.

    Raises:
        ValueError: If encoder or decoder do not, or are not for the same dimension.
    """

    def __init__(
        self,
        channels: int,
        *,
        encoder: Callable[[int], Encoder],
        skip: Callable[[Sequence[Level], Sequence[Gate]], SkipPathway],
        decoder: Callable[[Sequence[Level]], Decoder],
    ) -> None:
        super().__init__()
        self.encoder = encoder(channels)
        rows = self.encoder.levels
        self.decoder = decoder(rows)
        ndim = len(rows[0].stride)
        if ndim not in self.decoder.ndims:
            raise ValueError(f"{type(self.decoder).__name__} is not for {ndim}D; choose another decoder")
        self.skip = skip(rows, self.decoder.gates)
        self.decoder.build(self.skip.merged)
        finest = Level(channels, (1,) * ndim)
        last = self.decoder.levels[0]
        if last != finest:
            raise ValueError(
                f"a wave must end with {channels} channels at stride 1 to be added to its input; "
                f"this decoder ends with {last.channels} at {max(last.stride)}, set the first of its channels"
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, *size) to the same."""
        out: Tensor = self.decoder(self.skip(self.encoder(x)), self.skip.merge)[-1]
        return out
