"""Skip pathways: how encoder features reach the decoder."""

from unetzoo.skips.add import AddSkip
from unetzoo.skips.attention_gate import AttentionGate
from unetzoo.skips.base import Concat, Merge, SkipPathway
from unetzoo.skips.chain import Chain
from unetzoo.skips.concat import ConcatSkip
from unetzoo.skips.nested import NestedSkip
from unetzoo.skips.reweight import Reweight

__all__ = [
    "AddSkip",
    "AttentionGate",
    "Chain",
    "Concat",
    "ConcatSkip",
    "Merge",
    "NestedSkip",
    "Reweight",
    "SkipPathway",
]
