"""Decoders: from the bottleneck back to the image."""

from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.decoders.conv import ConvDecoder
from unetzoo.decoders.linknet import linknet_up

__all__ = ["ConvDecoder", "Decoder", "MergeRule", "linknet_up"]
