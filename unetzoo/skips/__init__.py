"""Skip pathways: how encoder features reach the decoder."""

from unetzoo.skips.add import AddSkip
from unetzoo.skips.attention_gate import AttentionGate
from unetzoo.skips.attentive import AttentiveSkip
from unetzoo.skips.base import Concat, Merge, SkipPathway
from unetzoo.skips.chain import Chain
from unetzoo.skips.concat import ConcatSkip
from unetzoo.skips.dense_fpn import DenseFPN
from unetzoo.skips.fpn import FPN
from unetzoo.skips.free_u import FreeU
from unetzoo.skips.full_scale import FullScaleSkip
from unetzoo.skips.multi_level_se import MultiLevelSE
from unetzoo.skips.neck import Neck
from unetzoo.skips.nested import NestedSkip
from unetzoo.skips.normed_attention_gate import NormedAttentionGate
from unetzoo.skips.panet import PathAggregation
from unetzoo.skips.reweight import Reweight
from unetzoo.skips.scale import ScaleSkip
from unetzoo.skips.scp import SpatialContext
from unetzoo.skips.sk import SKFusion

__all__ = [
    "FPN",
    "AddSkip",
    "AttentionGate",
    "AttentiveSkip",
    "Chain",
    "Concat",
    "ConcatSkip",
    "DenseFPN",
    "FreeU",
    "FullScaleSkip",
    "Merge",
    "MultiLevelSE",
    "Neck",
    "NestedSkip",
    "NormedAttentionGate",
    "PathAggregation",
    "Reweight",
    "SKFusion",
    "ScaleSkip",
    "SkipPathway",
    "SpatialContext",
]
