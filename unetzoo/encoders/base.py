"""What every encoder gives."""

from torch import Tensor, nn

from unetzoo.levels import Level

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """A backbone that publishes its rows and returns one feature map per row.

    Attributes:
        levels: Rows finest first; known before any weight is used, on the ``meta`` device too.
        channels_last: Whether this kind of network was measured faster in that memory layout on a CPU.
        dynamic_size: Whether an exported graph may take any image size. A network whose graph depends on the
            size (attention windows) says no.
    """

    levels: list[Level]
    channels_last: bool = False
    dynamic_size: bool = True

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *size), size divisible by the last stride, to one (B, C_i, *(size / stride_i)) per row."""
        raise NotImplementedError

    def truncate(self, depth: int) -> None:
        """Drop the rows after ``depth`` (the new bottleneck), in place."""
        raise ValueError(
            f"{type(self).__name__} cannot be cut to {depth + 1} levels; prune a conv or residual encoder"
        )
