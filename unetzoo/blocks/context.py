"""What a decoder may send the bottleneck through before it starts."""

from torch import nn

__all__ = ["Context"]


class Context(nn.Module):
    """A module on the bottleneck's row that keeps its size.

    Attributes:
        channels: Width of what ``forward`` returns.
    """

    channels: int
