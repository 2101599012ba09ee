"""Skip pathways: how encoder features reach the decoder."""

from unetzoo.skips.adapt import AdaptSkip
from unetzoo.skips.add import AddSkip
from unetzoo.skips.aff import AttentionalFusion
from unetzoo.skips.agg import AttentionGuidedSkip
from unetzoo.skips.aggregation import AggregationSkip
from unetzoo.skips.attention_gate import AttentionGate
from unetzoo.skips.attention_pool import AttentionPool, PooledSkip
from unetzoo.skips.attentive import AttentiveSkip
from unetzoo.skips.base import Concat, Merge, SkipPathway
from unetzoo.skips.bilateral import BilateralSkip
from unetzoo.skips.cdan import DenseProductSkip
from unetzoo.skips.chain import Chain
from unetzoo.skips.channel_gate import ChannelGate
from unetzoo.skips.channel_mix import ChannelMixSkip
from unetzoo.skips.channel_transformer import ChannelTransformer
from unetzoo.skips.concat import ConcatSkip
from unetzoo.skips.conv_lstm import ConvLSTMSkip
from unetzoo.skips.cross_context import CrossContext
from unetzoo.skips.dae_cross import EfficientCrossSkip
from unetzoo.skips.dense_fpn import DenseFPN
from unetzoo.skips.dla_up import DLAUp
from unetzoo.skips.drop_block import DropBlockSkip
from unetzoo.skips.dual_attention import DualAttentionSkip
from unetzoo.skips.equalise import FeatureEqualiser
from unetzoo.skips.fourier_fusion import FourierFusion
from unetzoo.skips.fpn import FPN
from unetzoo.skips.free_u import FreeU
from unetzoo.skips.full_scale import FullScaleSkip
from unetzoo.skips.isim import InterScaleSkip
from unetzoo.skips.laurel import LaurelSkip
from unetzoo.skips.missformer_bridge import ContextBridge
from unetzoo.skips.multi_level_se import MultiLevelSE
from unetzoo.skips.neck import Neck
from unetzoo.skips.nested import NestedSkip
from unetzoo.skips.none import NoSkip
from unetzoo.skips.normed_attention_gate import NormedAttentionGate
from unetzoo.skips.panet import PathAggregation
from unetzoo.skips.projected import ProjectedSkip
from unetzoo.skips.res_path import ResPath
from unetzoo.skips.reweight import Reweight
from unetzoo.skips.sc_tuner import SCTuner
from unetzoo.skips.scab import AttentionBridge
from unetzoo.skips.scale import ScaleSkip
from unetzoo.skips.scanned import ScannedSkip
from unetzoo.skips.scp import SpatialContext
from unetzoo.skips.sdi import SDI
from unetzoo.skips.self_gate import SelfGate
from unetzoo.skips.shift import ShiftConnection
from unetzoo.skips.sk import SKFusion
from unetzoo.skips.sk_vm import MambaTriangle
from unetzoo.skips.skip_attention import SkipAttention
from unetzoo.skips.tps import DeformedSkip

__all__ = [
    "FPN",
    "SDI",
    "AdaptSkip",
    "AddSkip",
    "AggregationSkip",
    "AttentionBridge",
    "AttentionGate",
    "AttentionGuidedSkip",
    "AttentionPool",
    "AttentionalFusion",
    "AttentiveSkip",
    "BilateralSkip",
    "Chain",
    "ChannelGate",
    "ChannelMixSkip",
    "ChannelTransformer",
    "Concat",
    "ConcatSkip",
    "ContextBridge",
    "ConvLSTMSkip",
    "CrossContext",
    "DLAUp",
    "DeformedSkip",
    "DenseFPN",
    "DenseProductSkip",
    "DropBlockSkip",
    "DualAttentionSkip",
    "EfficientCrossSkip",
    "FeatureEqualiser",
    "FourierFusion",
    "FreeU",
    "FullScaleSkip",
    "InterScaleSkip",
    "LaurelSkip",
    "MambaTriangle",
    "Merge",
    "MultiLevelSE",
    "Neck",
    "NestedSkip",
    "NoSkip",
    "NormedAttentionGate",
    "PathAggregation",
    "PooledSkip",
    "ProjectedSkip",
    "ResPath",
    "Reweight",
    "SCTuner",
    "SKFusion",
    "ScaleSkip",
    "ScannedSkip",
    "SelfGate",
    "ShiftConnection",
    "SkipAttention",
    "SkipPathway",
    "SpatialContext",
]
