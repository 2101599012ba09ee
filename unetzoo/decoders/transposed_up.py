"""The U-Net's way up."""

from torch import nn

from unetzoo.levels import Level, ratio

__all__ = ["transposed_up"]


def transposed_up(coarse: Level, fine: Level, *, bias: bool = True) -> tuple[nn.Module, int]:
    """``up: transposed`` of `ConvDecoder`, with or without a bias."""
    factor = ratio(coarse.stride, fine.stride)
    transposed: type[nn.Module] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[len(factor)]
    return transposed(coarse.channels, fine.channels, factor, stride=factor, bias=bias), fine.channels
