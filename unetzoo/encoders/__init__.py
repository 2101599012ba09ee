"""Encoders: from an image to one feature map per row of the U."""

from unetzoo.encoders.base import Encoder
from unetzoo.encoders.conv import ConvEncoder
from unetzoo.encoders.conv_stem import conv_stem
from unetzoo.encoders.dense import DenseEncoder
from unetzoo.encoders.dual_path import DualPathEncoder
from unetzoo.encoders.fc_dense import FCDenseEncoder
from unetzoo.encoders.fca import FcaEncoder
from unetzoo.encoders.ffnet import FFNetEncoder
from unetzoo.encoders.hardnet import HarDNetEncoder
from unetzoo.encoders.hybrid import HybridEncoder
from unetzoo.encoders.light_down import light_down
from unetzoo.encoders.patch_embed import patch_embed
from unetzoo.encoders.pooled_down import pooled_down
from unetzoo.encoders.projected import ProjectedEncoder
from unetzoo.encoders.refined import RefinedEncoder
from unetzoo.encoders.residual import ResidualEncoder
from unetzoo.encoders.rows import RowsEncoder
from unetzoo.encoders.rsu import RSUEncoder
from unetzoo.encoders.spatial_path import SpatialPathEncoder
from unetzoo.encoders.stem import adapt_kernel
from unetzoo.encoders.stemmed import StemmedEncoder
from unetzoo.encoders.strided_down import strided_down
from unetzoo.encoders.timm import TimmEncoder
from unetzoo.encoders.tokens import TokenEncoder
from unetzoo.encoders.u_mamba import UMambaEncoder
from unetzoo.encoders.unetr import UNETREncoder
from unetzoo.encoders.unit_down import unit_down
from unetzoo.encoders.wavelet import WaveletEncoder
from unetzoo.encoders.with_invalid import WithInvalid

__all__ = [
    "ConvEncoder",
    "DenseEncoder",
    "DualPathEncoder",
    "Encoder",
    "FCDenseEncoder",
    "FFNetEncoder",
    "FcaEncoder",
    "HarDNetEncoder",
    "HybridEncoder",
    "ProjectedEncoder",
    "RSUEncoder",
    "RefinedEncoder",
    "ResidualEncoder",
    "RowsEncoder",
    "SpatialPathEncoder",
    "StemmedEncoder",
    "TimmEncoder",
    "TokenEncoder",
    "UMambaEncoder",
    "UNETREncoder",
    "WaveletEncoder",
    "WithInvalid",
    "adapt_kernel",
    "conv_stem",
    "light_down",
    "patch_embed",
    "pooled_down",
    "strided_down",
    "unit_down",
]
