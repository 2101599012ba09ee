"""Blocks that several parts share."""

from unetzoo.blocks.aspp import ASPP
from unetzoo.blocks.attention_refinement import AttentionRefinement
from unetzoo.blocks.attentive_projection import attentive_projection
from unetzoo.blocks.block_chain import block_chain
from unetzoo.blocks.bottleneck import Bottleneck
from unetzoo.blocks.bottleneck_norm import BottleneckNorm
from unetzoo.blocks.cbam import CBAM, ChannelAttention, SpatialAttention
from unetzoo.blocks.channel_mamba import ChannelMamba
from unetzoo.blocks.channel_mix import ChannelMix, neighbor_shift
from unetzoo.blocks.context import Context
from unetzoo.blocks.context_block import ContextBlock
from unetzoo.blocks.conv_block import conv_block
from unetzoo.blocks.conv_context import ConvContext
from unetzoo.blocks.criss_cross import CrissCross, RecurrentCrissCross
from unetzoo.blocks.dense_bottleneck import DenseBottleneck
from unetzoo.blocks.depthwise_up import depthwise_up
from unetzoo.blocks.dilated_gated_attention import DilatedGatedAttention, gated_external
from unetzoo.blocks.drop_block import DropBlock
from unetzoo.blocks.dual_attention import ChannelAffinity, DualAttention, PositionAttention
from unetzoo.blocks.dual_transformer import DualTransformer, dual_transformer
from unetzoo.blocks.eca import EfficientChannelAttention
from unetzoo.blocks.efficient_attention import EfficientAttention, efficient_attention
from unetzoo.blocks.enhanced_transformer import EnhancedTransformer, enhanced_transformer
from unetzoo.blocks.external_attention import ExternalAttention
from unetzoo.blocks.feature_fusion import FeatureFusion
from unetzoo.blocks.fourier import FourierBlock
from unetzoo.blocks.fully_convolutional import FullyConvolutional
from unetzoo.blocks.gated_conv import AttentionGatedConv, GatedConv, gated_down, gated_up
from unetzoo.blocks.gated_residual import GatedResidual
from unetzoo.blocks.global_refinement import GlobalRefinement
from unetzoo.blocks.glore import GlobalReasoning
from unetzoo.blocks.graph_block import GraphBlock, GraphBottleneck, GraphConv
from unetzoo.blocks.hvss import HVSS, hvss
from unetzoo.blocks.hybrid_dilated import DilatedContext, DilatedGate, HybridDilatedConv
from unetzoo.blocks.large_kernel_attention import LargeKernelAttention
from unetzoo.blocks.light_row import light_row
from unetzoo.blocks.localisation_block import localisation_block
from unetzoo.blocks.mamba import Mamba, MambaLayer
from unetzoo.blocks.mbconv import mbconv
from unetzoo.blocks.mix_ffn import MixFFN
from unetzoo.blocks.mlp import mlp
from unetzoo.blocks.multi_frequency import MultiFrequencyMultiScale, multi_frequency_block
from unetzoo.blocks.multi_res import MultiRes, multi_res_up, plain_width
from unetzoo.blocks.multi_scale_attention import MultiScaleChannelAttention
from unetzoo.blocks.multi_scale_depthwise import MultiScaleDepthwise
from unetzoo.blocks.norm_first_conv import norm_first_conv
from unetzoo.blocks.parallel_mamba import ParallelMamba
from unetzoo.blocks.patch_expanding import patch_expanding
from unetzoo.blocks.patch_merging import PatchMerging, patch_merging
from unetzoo.blocks.point_means import point_means
from unetzoo.blocks.polygon_fill import PolygonFill
from unetzoo.blocks.pooled_norm import PooledBatchNorm, pooled_unit
from unetzoo.blocks.pre_activation_block import PreActivationBlock
from unetzoo.blocks.ramp_drop_path import ramp_drop_path
from unetzoo.blocks.reduced_attention import ReducedAttention
from unetzoo.blocks.reflect_pad import ReflectPad
from unetzoo.blocks.region_nonlocal import RegionNonLocal
from unetzoo.blocks.residual_block import ResidualBlock
from unetzoo.blocks.residual_stage import residual_stage
from unetzoo.blocks.reversible import ReversibleBlock, ReversibleStage
from unetzoo.blocks.ring_graph import ChebConv
from unetzoo.blocks.rsu import RSU, rsu
from unetzoo.blocks.sc_se import ScSE
from unetzoo.blocks.seg_mamba import SpatialConv, seg_mamba, seg_mamba_row
from unetzoo.blocks.selective_kernel import SelectiveKernel
from unetzoo.blocks.separable_block import separable_block
from unetzoo.blocks.squeeze import DCT
from unetzoo.blocks.squeeze_excite import SqueezeExcite
from unetzoo.blocks.ss2d import SS2D
from unetzoo.blocks.ssd_block import SSDBlock
from unetzoo.blocks.stage import Block, stage
from unetzoo.blocks.state_space import StateSpace
from unetzoo.blocks.sub_pixel import SubPixel, sub_pixel_up
from unetzoo.blocks.swin_pair import SwinBlock, swin_pair
from unetzoo.blocks.token_init import token_init
from unetzoo.blocks.transposed_attention import TransposedAttention
from unetzoo.blocks.tri_mamba import TriMamba
from unetzoo.blocks.vss import VSS, vss
from unetzoo.blocks.window_attention import WindowAttention

__all__ = [
    "ASPP",
    "CBAM",
    "DCT",
    "HVSS",
    "RSU",
    "SS2D",
    "VSS",
    "AttentionGatedConv",
    "AttentionRefinement",
    "Block",
    "Bottleneck",
    "BottleneckNorm",
    "ChannelAffinity",
    "ChannelAttention",
    "ChannelMamba",
    "ChannelMix",
    "ChebConv",
    "Context",
    "ContextBlock",
    "ConvContext",
    "CrissCross",
    "DenseBottleneck",
    "DilatedContext",
    "DilatedGate",
    "DilatedGatedAttention",
    "DropBlock",
    "DualAttention",
    "DualTransformer",
    "EfficientAttention",
    "EfficientChannelAttention",
    "EnhancedTransformer",
    "ExternalAttention",
    "FeatureFusion",
    "FourierBlock",
    "FullyConvolutional",
    "GatedConv",
    "GatedResidual",
    "GlobalReasoning",
    "GlobalRefinement",
    "GraphBlock",
    "GraphBottleneck",
    "GraphConv",
    "HybridDilatedConv",
    "LargeKernelAttention",
    "Mamba",
    "MambaLayer",
    "MixFFN",
    "MultiFrequencyMultiScale",
    "MultiRes",
    "MultiScaleChannelAttention",
    "MultiScaleDepthwise",
    "ParallelMamba",
    "PatchMerging",
    "PolygonFill",
    "PooledBatchNorm",
    "PositionAttention",
    "PreActivationBlock",
    "RecurrentCrissCross",
    "ReducedAttention",
    "ReflectPad",
    "RegionNonLocal",
    "ResidualBlock",
    "ReversibleBlock",
    "ReversibleStage",
    "SSDBlock",
    "ScSE",
    "SelectiveKernel",
    "SpatialAttention",
    "SpatialConv",
    "SqueezeExcite",
    "StateSpace",
    "SubPixel",
    "SwinBlock",
    "TransposedAttention",
    "TriMamba",
    "WindowAttention",
    "attentive_projection",
    "block_chain",
    "conv_block",
    "depthwise_up",
    "dual_transformer",
    "efficient_attention",
    "enhanced_transformer",
    "gated_down",
    "gated_external",
    "gated_up",
    "hvss",
    "light_row",
    "localisation_block",
    "mbconv",
    "mlp",
    "multi_frequency_block",
    "multi_res_up",
    "neighbor_shift",
    "norm_first_conv",
    "patch_expanding",
    "patch_merging",
    "plain_width",
    "point_means",
    "pooled_unit",
    "ramp_drop_path",
    "residual_stage",
    "rsu",
    "seg_mamba",
    "seg_mamba_row",
    "separable_block",
    "stage",
    "sub_pixel_up",
    "swin_pair",
    "token_init",
    "vss",
]
