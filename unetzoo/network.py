"""What training, prediction and export ask of a network, whatever it is made of."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.hub import HubMixin
from unetzoo.nd import pad_to_multiple

__all__ = ["SegmentationNetwork"]


class SegmentationNetwork(HubMixin, nn.Module):
    """Any image in, logits of its size out; `UNet` and the networks made of several are such.

    Attributes:
        in_channels: Bands of the image.
        num_classes: Classes, background included; of a network that predicts an image, its bands.
        divisor: The network's own padding unit per axis; images of any size are accepted.
        activation: softmax or sigmoid, what turns the logits into probabilities; none: they are an image.
        outputs: Number of logit channels.
        deep_supervision: Whether ``forward_deep`` returns more than the main logits.
        channels_last: Whether this network was measured faster in that memory layout on a CPU.
    """

    in_channels: int
    num_classes: int
    divisor: tuple[int, ...]
    activation: str
    outputs: int
    deep_supervision: bool = False
    channels_last: bool = False

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.divisor)

    @property
    def fixed_size_parts(self) -> list[str]:
        """Names of the modules whose recorded graph holds for one image size only."""
        return [
            str(getattr(module, "name", type(module).__name__))
            for module in self.modules()
            if getattr(module, "dynamic_size", True) is False
        ]

    def shown(self, image: Tensor, target: Tensor) -> Tensor:
        """What training and validation show the network of a case: the image, unless it learns from masks.

        Args:
            image: (B, bands, *size).
            target: Class indices (B, *size), or 0 and 1 as (B, K, *size); 255 is ignored.
        """
        return image

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, *size) to logits (B, outputs, *size), for any size."""
        raise NotImplementedError

    def forward_deep(self, x: Tensor) -> list[Tensor]:
        """Logits of every supervised head at the image's size, the main one first."""
        return [self(x)]

    def forward_train(self, x: Tensor, target: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
        """`forward_deep`, and the weighted auxiliary losses by name, in one pass.

        Args:
            target: Class indices (B, *size), or 0 and 1 as (B, K, *size); 255 is ignored.
        """
        return self.forward_deep(x), {}

    def objectives(self) -> Iterator[tuple[str, Auxiliary]]:
        """The auxiliary objectives of all parts, by the last part of their name."""
        for name, module in self.named_modules():
            if isinstance(module, Auxiliary):
                yield name.rpartition(".")[2], module

    def pad(self, x: Tensor) -> Tensor:
        """Repeat the border at the far end of each axis up to the next multiple of ``divisor``."""
        return pad_to_multiple(x, self.divisor)

    @staticmethod
    def mean_of(heads: list[Tensor]) -> Tensor:
        """The mean of several heads' logits."""
        return torch.stack(heads).mean(0)
