"""Skip pathways: how encoder features reach the decoder."""

from unetzoo.skips.add import AddSkip
from unetzoo.skips.attention_gate import AttentionGate
from unetzoo.skips.attentive import AttentiveSkip
from unetzoo.skips.base import Concat, Merge, SkipPathway
from unetzoo.skips.chain import Chain
from unetzoo.skips.concat import ConcatSkip
from unetzoo.skips.full_scale import FullScaleSkip
from unetzoo.skips.nested import NestedSkip
from unetzoo.skips.reweight import Reweight
from unetzoo.skips.sk import SKFusion

__all__ = [
    "AddSkip",
    "AttentionGate",
    "AttentiveSkip",
    "Chain",
    "Concat",
    "ConcatSkip",
    "FullScaleSkip",
    "Merge",
    "NestedSkip",
    "Reweight",
    "SKFusion",
    "SkipPathway",
]
