"""The 3D U-Net's way up."""

from torch import nn

from unetzoo.levels import Level, ratio

__all__ = ["wide_up"]


def wide_up(coarse: Level, fine: Level, *, bias: bool = False) -> tuple[nn.Module, int]:
    """Transposed convolution that keeps the coarse row's channels, where the U-Net's halves them.

    Çiçek et al. 2016, "3D U-Net", arXiv:1606.06650, section 2. The kernel is the stride. For
    ``ConvDecoder.up``.
    """
    factor = ratio(coarse.stride, fine.stride)
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
    return transposed(coarse.channels, coarse.channels, factor, stride=factor, bias=bias), coarse.channels
