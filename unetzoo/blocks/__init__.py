"""Blocks that several parts share."""

from unetzoo.blocks.aspp import ASPP
from unetzoo.blocks.attention_refinement import AttentionRefinement
from unetzoo.blocks.attentive_projection import attentive_projection
from unetzoo.blocks.cbam import CBAM, ChannelAttention, SpatialAttention
from unetzoo.blocks.context import Context
from unetzoo.blocks.context_block import ContextBlock
from unetzoo.blocks.conv_block import conv_block
from unetzoo.blocks.dense_bottleneck import DenseBottleneck
from unetzoo.blocks.drop_block import DropBlock
from unetzoo.blocks.eca import EfficientChannelAttention
from unetzoo.blocks.feature_fusion import FeatureFusion
from unetzoo.blocks.fully_convolutional import FullyConvolutional
from unetzoo.blocks.gated_conv import AttentionGatedConv, GatedConv, gated_down, gated_up
from unetzoo.blocks.gated_residual import GatedResidual
from unetzoo.blocks.global_refinement import GlobalRefinement
from unetzoo.blocks.localisation_block import localisation_block
from unetzoo.blocks.mbconv import mbconv
from unetzoo.blocks.mlp import mlp
from unetzoo.blocks.multi_res import MultiRes, multi_res_up, plain_width
from unetzoo.blocks.multi_scale_attention import MultiScaleChannelAttention
from unetzoo.blocks.norm_first_conv import norm_first_conv
from unetzoo.blocks.patch_expanding import patch_expanding
from unetzoo.blocks.patch_merging import PatchMerging, patch_merging
from unetzoo.blocks.pooled_norm import PooledBatchNorm, pooled_unit
from unetzoo.blocks.reflect_pad import ReflectPad
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.blocks.reversible import ReversibleBlock, ReversibleStage
from unetzoo.blocks.rsu import RSU, rsu
from unetzoo.blocks.sc_se import ScSE
from unetzoo.blocks.selective_kernel import SelectiveKernel
from unetzoo.blocks.separable_block import separable_block
from unetzoo.blocks.squeeze import DCT
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.blocks.stage import Block, stage
from unetzoo.blocks.sub_pixel import SubPixel, sub_pixel_up

__all__ = [
    "ASPP",
    "CBAM",
    "DCT",
    "RSU",
    "AttentionGatedConv",
    "AttentionRefinement",
    "Block",
    "ChannelAttention",
    "Context",
    "ContextBlock",
    "DenseBottleneck",
    "DropBlock",
    "EfficientChannelAttention",
    "FeatureFusion",
    "FullyConvolutional",
    "GatedConv",
    "GatedResidual",
    "GlobalRefinement",
    "MultiRes",
    "MultiScaleChannelAttention",
    "PatchMerging",
    "PooledBatchNorm",
    "ReflectPad",
    "ResidualBlock",
    "ReversibleBlock",
    "ReversibleStage",
    "ScSE",
    "SelectiveKernel",
    "SpatialAttention",
    "SqueezeExcite",
    "SubPixel",
    "attentive_projection",
    "conv_block",
    "gated_down",
    "gated_up",
    "localisation_block",
    "mbconv",
    "mlp",
    "multi_res_up",
    "norm_first_conv",
    "patch_expanding",
    "patch_merging",
    "plain_width",
    "pooled_unit",
    "rsu",
    "separable_block",
    "stage",
    "sub_pixel_up",
]
