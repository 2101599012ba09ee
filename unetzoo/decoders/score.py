"""FCN's way up."""

from torch import nn

from unetzoo.levels import Level, ratio
from unetzoo.nd import conv, resize

__all__ = ["score_up"]


def score_up(coarse: Level, fine: Level) -> tuple[nn.Module, int]:
    """Class scores, interpolated; the bottleneck is scored by a 1x1 convolution first.

    Long et al. 2015, arXiv:1411.4038, sec. 3.3 and 4.2. The scores start at zero, as the authors' do. For
    ``ConvDecoder.up``, with ``convs=0`` and the number of classes as ``channels``.
    """
    up = resize(ratio(coarse.stride, fine.stride))
    if coarse.channels == fine.channels:
        return up, fine.channels
    score = conv(len(fine.stride), coarse.channels, fine.channels)
    for parameter in score.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(score, up), fine.channels
