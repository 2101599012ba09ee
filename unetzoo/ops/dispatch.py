"""Where a compiled kernel runs in place of plain torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from unetzoo.ops import native

__all__ = ["FEWEST", "Choice", "Fewest", "kernel_wins", "note", "noting"]


class Fewest(NamedTuple):
    """How many numbers a map has where the kernel begins to win."""

    forward: int
    with_gradient: int


class Choice(NamedTuple):
    """What a processor runs for an operation on float32 of this size."""

    op: str
    size: tuple[int, ...]
    compiled: bool


_NEVER = 1 << 62
# measured: python -m benchmarks.merges, docs/performance.md
FEWEST = {
    "dct_pool": Fewest(1, 1),
    "mfms_merge": Fewest(1 << 16, 1 << 16),
    "sk_merge": Fewest(_NEVER, 1 << 22),
    "attention_gate": Fewest(1 << 18, 1 << 22),
    "attention_gate, channels last": Fewest(1 << 22, 1 << 22),
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
    name = op.split(",")[0]
    wins = tensors[0].numel() >= fewest and _is_there(_FUNCTIONS[name])
    note(name, tensors[0], wins)
    return fits and wins


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _is_there(function: str) -> bool:
    return native.has(function)


_noted: list[Choice] | None = None


@contextmanager
def noting() -> Iterator[list[Choice]]:
    """What every operation would run on a processor while this lasts, wherever its tensors are."""
    global _noted
    before, _noted = _noted, []
    try:
        yield _noted
    finally:
        _noted = before


def note(op: str, x: Tensor, compiled: bool) -> None:
    """Remember a choice, where somebody asks for them."""
    if _noted is not None:
        _noted.append(Choice(op, tuple(x.shape), compiled))
