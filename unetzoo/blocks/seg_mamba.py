"""What SegMamba's rows are made of."""

from functools import partial

from torch import Tensor, nn

from unetzoo.blocks.mlp import mlp
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.blocks.tri_mamba import TriMamba
from unetzoo.nd import conv_unit, norm

__all__ = ["SpatialConv", "seg_mamba", "seg_mamba_row"]


class SpatialConv(nn.Module):
    """``x + join(two 3x3 convolutions of x + one 1x1 convolution of x)``, all with norm and ReLU.

    The gated spatial convolution of SegMamba (Xing et al. 2024, arXiv:2401.13560, eq. 2), whose branches are
    added as in the authors' code.
    """

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        unit = partial(conv_unit, ndim, channels, channels, norm_name="plain_instance", bias=True)
        self.wide = nn.Sequential(*unit(3), *unit(3))
        self.narrow = nn.Sequential(*unit(1))
        self.join = nn.Sequential(*unit(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *size) to the same."""
        out: Tensor = x + self.join(self.wide(x) + self.narrow(x))
        return out


def seg_mamba(ndim: int, c_in: int, c_out: int, *, layers: int = 2, state: int = 16) -> nn.Sequential:
    """A row of SegMamba's encoder: `SpatialConv`, then `TriMamba` layers; it keeps the width.

    Raises:
        ValueError: If the width should change.
    """
    if c_in != c_out:
        raise ValueError(f"SegMamba's row keeps its width, not {c_in} to {c_out}; change it on the way down")
    mambas = (TriMamba(ndim, c_out, state=state) for _ in range(layers))
    return nn.Sequential(SpatialConv(ndim, c_out), *mambas)


def seg_mamba_row(ndim: int, c_in: int, c_out: int) -> nn.Sequential:
    """What SegMamba sends an encoder row through before its decoder: norm, MLP, residual block."""
    block = ResidualBlock(ndim, c_in, c_out, norm="plain_instance", activation_name="leaky_relu")
    return nn.Sequential(norm("plain_instance", ndim, c_in), mlp(ndim, c_in, ratio=2.0), block)
