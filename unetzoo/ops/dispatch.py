"""Where a compiled kernel runs in place of plain torch."""

from typing import NamedTuple

import torch
from torch import Tensor

from unetzoo.ops import native

__all__ = ["FEWEST", "Fewest", "kernel_wins"]


class Fewest(NamedTuple):
    """How many numbers a map has where the kernel begins to win."""

    forward: int
    with_gradient: int


_NEVER = 1 << 62
# measured: python -m benchmarks.merges, docs/performance.md
FEWEST = {
    "dct_pool": Fewest(1, 1),
    "mfms_merge": Fewest(1 << 16, 1 << 16),
    "sk_merge": Fewest(_NEVER, 1 << 22),
    "attention_gate": Fewest(1 << 18, 1 << 22),
    "attention_gate, channels last": Fewest(_NEVER, 1 << 22),
}
_FUNCTIONS = {
    "dct_pool": "unetzoo_wave_statistics_forward",
    "mfms_merge": "unetzoo_mfms_forward",
    "sk_merge": "unetzoo_sk_forward",
    "attention_gate": "unetzoo_gate_forward",
}


def kernel_wins(op: str, *tensors: Tensor) -> bool:
    """Whether the kernel of ``op`` is there and faster for tensors like these, the first being a map.

    What comes after a comma in ``op`` tells which line of the table counts.
    """
    fits = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    gradient = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    fewest = FEWEST[op].with_gradient if gradient else FEWEST[op].forward
    return fits and tensors[0].numel() >= fewest and _is_there(_FUNCTIONS[op.split(",")[0]])


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _is_there(function: str) -> bool:
    return native.has(function)
