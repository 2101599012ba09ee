"""Two blocks of a Swin transformer."""

from collections.abc import Sequence

from timm.layers.drop import DropPath
from torch import Tensor, nn

from unetzoo.blocks.mlp import mlp
from unetzoo.blocks.project import project
from unetzoo.blocks.token_init import token_init
from unetzoo.blocks.window_attention import WindowAttention
from unetzoo.nd import norm

__all__ = ["SwinBlock", "swin_pair"]


class SwinBlock(nn.Module):
    """Attention within windows, then two layers per pixel, each behind a norm and around a shortcut.

    Liu et al. 2021, "Swin Transformer", arXiv:2103.14030, eq. 3.

    Args:
        mlp_ratio: Inner width of the two layers, in units of ``channels``.
        drop_path: Probability of leaving a branch out for an image, in training.
    """

    def __init__(
        self,
        ndim: int,
        channels: int,
        *,
        window: int | Sequence[int] = 7,
        shifted: bool = False,
        head_dim: int = 32,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = norm("layer", ndim, channels)
        self.attention = WindowAttention(ndim, channels, window=window, shifted=shifted, head_dim=head_dim)
        self.mlp_norm = norm("layer", ndim, channels)
        self.mlp = mlp(ndim, channels, ratio=mlp_ratio)
        self.drop_path = DropPath(drop_path)
        token_init(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.mlp_norm(x)))
        return out


def swin_pair(
    ndim: int,
    c_in: int,
    c_out: int,
    *,
    window: int | Sequence[int] = 7,
    head_dim: int = 32,
    mlp_ratio: float = 4.0,
    drop_path: float = 0.0,
) -> nn.Sequential:
    """Two `SwinBlock`, the second with shifted windows (fig. 3b), after a 1x1 convolution for a new width."""
    blocks = (
        SwinBlock(
            ndim,
            c_out,
            window=window,
            shifted=shifted,
            head_dim=head_dim,
            mlp_ratio=mlp_ratio,
            drop_path=drop_path,
        )
        for shifted in (False, True)
    )
    return nn.Sequential(project(ndim, c_in, c_out), *blocks)
