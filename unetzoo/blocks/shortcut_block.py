"""A convolution block whose shortcut may start elsewhere than the block."""

from torch import Tensor, nn

from unetzoo.nd import conv

__all__ = ["ShortcutBlock"]


class ShortcutBlock(nn.Module):
    """Twice 3x3 convolution, norm over all channels together, GELU; plus a 1x1 convolution of a shortcut.

    The block of SineNet (Zhang et al. 2024, arXiv:2403.19507), whose shortcut sees a part of what the block
    sees: of several concatenated features, the one that comes from the row before.

    Args:
        c_in: Channels that the block sees.
        c_shortcut: Channels that its shortcut sees.
    """

    def __init__(self, ndim: int, c_in: int, c_shortcut: int, c_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(conv(ndim, c_in, c_out, 3), nn.GroupNorm(1, c_out), nn.GELU()),
            *(conv(ndim, c_out, c_out, 3), nn.GroupNorm(1, c_out), nn.GELU()),
        )
        self.shortcut = conv(ndim, c_shortcut, c_out)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """(B, c_in, *size) and (B, c_shortcut, *size) to (B, c_out, *size)."""
        out: Tensor = self.body(x) + self.shortcut(shortcut)
        return out
