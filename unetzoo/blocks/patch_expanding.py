"""Swin-Unet's way up."""

from math import prod

from torch import nn

from unetzoo.blocks.sub_pixel import SubPixel
from unetzoo.blocks.token_init import token_init
from unetzoo.levels import Level, ratio
from unetzoo.nd import conv, norm

__all__ = ["patch_expanding"]


def patch_expanding(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """1x1 convolution without bias to the channels that the finer grid needs, unfolded, then layer norm.

    Cao et al. 2021, "Swin-Unet", arXiv:2105.05537, sec. 3.5, in any dimension and for any factor: by 2 to
    half the channels between rows, by 4 in front of the logits. For ``ConvDecoder.up``.
    """
    factor = ratio(coarse.stride, fine.stride)
    ndim, width = len(factor), fine.channels
    expand = token_init(conv(ndim, coarse.channels, width * prod(factor), bias=False))
    return nn.Sequential(expand, SubPixel(factor), norm("layer", ndim, width)), width
