"""Decoders: from the bottleneck back to the image."""

from unetzoo.decoders.base import Decoder, MergeRule
from unetzoo.decoders.bilateral import BilateralDecoder
from unetzoo.decoders.cascaded_attention import CascadedAttentionDecoder
from unetzoo.decoders.conv import ConvDecoder
from unetzoo.decoders.conv_up import conv_up
from unetzoo.decoders.fc_dense import FCDenseDecoder
from unetzoo.decoders.full_scale import FullScaleDecoder
from unetzoo.decoders.hardnet import HarDNetDecoder
from unetzoo.decoders.identity import IdentityDecoder
from unetzoo.decoders.large_kernel import LargeKernelDecoder
from unetzoo.decoders.light_up import light_up
from unetzoo.decoders.linknet import linknet_up
from unetzoo.decoders.normed_up import normed_up
from unetzoo.decoders.overlapping_up import overlapping_up
from unetzoo.decoders.projected_up import projected_up
from unetzoo.decoders.rsu import RSUDecoder
from unetzoo.decoders.score import score_up
from unetzoo.decoders.shortcut import ShortcutDecoder
from unetzoo.decoders.tokens import TokenDecoder
from unetzoo.decoders.transposed_up import transposed_up
from unetzoo.decoders.unit_up import unit_up
from unetzoo.decoders.up_head import UpHead
from unetzoo.decoders.wavelet import WaveletDecoder
from unetzoo.decoders.wide_up import wide_up

__all__ = [
    "BilateralDecoder",
    "CascadedAttentionDecoder",
    "ConvDecoder",
    "Decoder",
    "FCDenseDecoder",
    "FullScaleDecoder",
    "HarDNetDecoder",
    "IdentityDecoder",
    "LargeKernelDecoder",
    "MergeRule",
    "RSUDecoder",
    "ShortcutDecoder",
    "TokenDecoder",
    "UpHead",
    "WaveletDecoder",
    "conv_up",
    "light_up",
    "linknet_up",
    "normed_up",
    "overlapping_up",
    "projected_up",
    "score_up",
    "transposed_up",
    "unit_up",
    "wide_up",
]
