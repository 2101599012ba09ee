"""Where a compiled kernel runs in place of plain torch."""

import torch
from torch import Tensor

from unetzoo.ops import native

__all__ = ["FEWEST", "kernel_wins"]

# numbers in the map from which on the kernel was measured to be faster, forwards and with the backward pass:
# python -m benchmarks.merges
FEWEST = {"dct_pool": 0, "mfms_merge": 1 << 15, "sk_merge": 1 << 20, "attention_gate": 1 << 20}
_FUNCTIONS = {
    "dct_pool": "unetzoo_wave_statistics_forward",
    "mfms_merge": "unetzoo_mfms_forward",
    "sk_merge": "unetzoo_sk_forward",
    "attention_gate": "unetzoo_gate_forward",
}


def kernel_wins(op: str, *tensors: Tensor) -> bool:
    """Whether the kernel of ``op`` is there and faster for tensors like these, the first being a map."""
    fits = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
    return fits and tensors[0].numel() >= FEWEST[op] and _is_there(_FUNCTIONS[op])


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _is_there(function: str) -> bool:
    return native.has(function)
