"""Efficient channel attention."""

from math import log2

from torch import Tensor, nn

__all__ = ["EfficientChannelAttention", "adaptive_kernel"]


def adaptive_kernel(channels: int, *, gamma: float = 2.0, b: float = 1.0) -> int:
    """Odd number of neighbouring channels that one channel's weight looks at: |(log2 C + b) / gamma|."""
    size = int(abs((log2(channels) + b) / gamma))
    return size if size % 2 else size + 1


class EfficientChannelAttention(nn.Module):
    """Weigh channels by a short 1D convolution over the pooled channels (Wang et al. 2020, arXiv:1910.03151).

    ``x * sigmoid(conv1d_k(mean(x)))`` with a kernel that grows with the logarithm of the width (eq. 12): a
    handful of parameters and no bottleneck.

    Args:
        kernel_size: Odd; ``None`` takes `adaptive_kernel`.
        identity_init: Start as the identity: the kernel is zero and the gate's gain 2.
    """

    def __init__(
        self, ndim: int, channels: int, *, kernel_size: int | None = None, identity_init: bool = False
    ) -> None:
        super().__init__()
        size = adaptive_kernel(channels) if kernel_size is None else kernel_size
        if size % 2 == 0:
            raise ValueError(f"kernel_size={size} has no middle; give an odd number of channels")
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.shape = (-1, channels, *[1] * ndim)
        self.gain = 2.0 if identity_init else 1.0
        if identity_init:
            nn.init.zeros_(self.conv.weight)

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the channels' weights, (B, C, 1, ...) in (0, gain)."""
        pooled = x.mean(tuple(range(2, x.dim())))
        weights: Tensor = self.gain * self.conv(pooled.unsqueeze(1)).sigmoid()  # (B, 1, C)
        return weights.reshape(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        return x * self.weights(x)
