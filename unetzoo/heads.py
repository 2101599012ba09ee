"""Heads: from features to logits at the image's resolution."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from unetzoo.levels import Level
from unetzoo.nd import conv, resize

__all__ = ["BinaryHead", "FusedHead", "Head"]


class Head(nn.Module):
    """A convolution on the finest row; logits are resized where that row is coarser than the image.

    Attributes:
        activation: What turns logits into probabilities, softmax or sigmoid.
        outputs: Number of logit channels.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        outputs: int,
        *,
        activation: Literal["softmax", "sigmoid"],
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.activation, self.outputs = activation, outputs
        finest = levels[0]
        self.conv = conv(len(finest.stride), finest.channels, outputs, kernel_size)
        self.resize = resize(finest.stride)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, outputs, *size)."""
        out: Tensor = self.resize(self.conv(decoded[-1]))
        return out


class BinaryHead(Head):
    """A single logit for two classes: background, and the object where the logit is positive."""

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        activation: Literal["sigmoid"] = "sigmoid",
        kernel_size: int = 3,
    ) -> None:
        if num_classes != 2:
            raise ValueError(
                f"the binary head is for 2 classes, got {num_classes}; choose head=multiclass or multilabel"
            )
        super().__init__(levels, 1, activation=activation, kernel_size=kernel_size)


class FusedHead(nn.Module):
    """Logits of every decoder row, resized and fused by a 1x1 convolution.

    The deep supervision of the Attention U-Net (Oktay et al. 2018, arXiv:1804.03999): the loss sees only the
    fused logits. The finest row's logits keep the bias-carrying 1x1 convolution of the others.
    """

    def __init__(
        self, levels: Sequence[Level], num_classes: int, *, activation: Literal["softmax"] = "softmax"
    ) -> None:
        super().__init__()
        self.activation, self.outputs = activation, num_classes
        self.rows = nn.ModuleList(
            Head([level], num_classes, activation=activation, kernel_size=1) for level in reversed(levels)
        )
        self.fuse = conv(len(levels[0].stride), num_classes * len(levels), num_classes)

    def forward(self, decoded: list[Tensor]) -> Tensor:
        """Decoder outputs, coarsest first, to (B, num_classes, *size)."""
        logits: Tensor = self.fuse(
            torch.cat([row([d]) for row, d in zip(self.rows, decoded, strict=True)], 1)
        )
        return logits
