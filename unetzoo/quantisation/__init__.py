"""Exported networks in fewer bits, behind a gate: static int8, bfloat16."""

from unetzoo.quantisation.export import PATCHES, export_quantised
from unetzoo.quantisation.gate import DROP, Gate, GateFailed, Verdict
from unetzoo.quantisation.qdq import quantise
from unetzoo.quantisation.sensitivity import sensitivity

__all__ = [
    "DROP",
    "PATCHES",
    "Gate",
    "GateFailed",
    "Verdict",
    "export_quantised",
    "quantise",
    "sensitivity",
]
