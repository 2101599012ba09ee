"""Patches become pixels."""

from torch import nn

from unetzoo.encoders.strided_down import strided_down
from unetzoo.levels import Level
from unetzoo.nd import Norm, norm

__all__ = ["patch_embed"]


def patch_embed(fine: Level, coarse: Level, *, norm_name: Norm | None = "layer") -> tuple[nn.Module, int]:
    """Convolution whose kernel is its stride, and a norm (ViT, Swin); for ``ConvEncoder.stem``."""
    embed, width = strided_down(fine, coarse)
    return nn.Sequential(embed, norm(norm_name, len(coarse.stride), width)), width
