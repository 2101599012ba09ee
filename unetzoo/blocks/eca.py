"""Efficient channel attention."""

from math import log2

import torch
from torch import Tensor, nn

from unetzoo.blocks.squeeze import Squeeze, make_squeeze

__all__ = ["ChannelConv", "EfficientChannelAttention", "adaptive_kernel"]


def adaptive_kernel(channels: int, *, gamma: float = 2.0, b: float = 1.0) -> int:
    """Odd number of neighbouring channels that one channel's weight looks at: |(log2 C + b) / gamma|."""
    size = int(abs((log2(channels) + b) / gamma))
    return size if size % 2 else size + 1


class ChannelConv(nn.Conv1d):
    """A short convolution over the channels of a pooled map.

    Args:
        kernel_size: Odd; ``None`` takes `adaptive_kernel`.
    """

    def __init__(self, channels: int, *, kernel_size: int | None = None) -> None:
        size = adaptive_kernel(channels) if kernel_size is None else kernel_size
        if size % 2 == 0:
            raise ValueError(f"kernel_size={size} has no middle; give an odd number of channels")
        super().__init__(1, 1, size, padding=size // 2, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, 1, ...) to the same."""
        return super().forward(input.flatten(1).unsqueeze(1)).reshape(input.shape)


class EfficientChannelAttention(nn.Module):
    """Weigh channels by a short 1D convolution over the pooled channels (Wang et al. 2020, arXiv:1910.03151).

    ``x * sigmoid(conv1d_k(mean(x)))`` with a kernel that grows with the logarithm of the width (eq. 12): a
    handful of parameters and no bottleneck. Of several summaries the logits are added.

    Args:
        kernel_size: Odd; ``None`` takes `adaptive_kernel`.
        squeeze: What the convolution sees of the map, see `make_squeeze`.
        identity_init: Start as the identity: the kernel is zero and the gate's gain 2.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        kernel_size: int | None = None,
        squeeze: Squeeze = "gap",
        identity_init: bool = False,
    ) -> None:
        super().__init__()
        self.summaries = make_squeeze(squeeze, ndim, channels)
        self.conv = ChannelConv(channels, kernel_size=kernel_size)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.conv.weight)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the channels' weights, (B, C, 1, ...) in (0, gain)."""
        return self.gain * torch.stack([self.conv(s) for s in self.summaries(x)]).sum(0).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return x * self.weights(x)
