"""Encoders: from an image to one feature map per row of the U."""

from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import ConvEncoder
from unetzoo.encoders.residual import ResidualEncoder
from unetzoo.encoders.stem import adapt_kernel
from unetzoo.encoders.timm import TimmEncoder

__all__ = ["ConvEncoder", "Encoder", "ResidualEncoder", "TimmEncoder", "adapt_kernel"]
