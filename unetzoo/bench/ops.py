"""Operations with and without their kernels, at five sizes each, beside the roofline of the same run."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor

from unetzoo.bench.machine import Limits, limits, machine
from unetzoo.bench.timing import interleaved
from unetzoo.blocks.squeeze import frequency_list
from unetzoo.ops import (
    attention_gate,
    dct_pool,
    directional_scan,
    dispatch,
    mfms_merge,
    native,
    selective_scan,
    sk_merge,
    ssd,
)

__all__ = ["OPERATIONS", "bench_ops"]

STATES, RANK = 16, 4
MAPS = [(1, 64, 256), (1, 64, 128), (4, 64, 128), (1, 128, 64), (1, 256, 32)]  # B, C, H = W
SEQUENCES = [(1, 192, 1024), (1, 384, 1024), (1, 192, 4096), (4, 64, 4096), (2, 96, 16384)]  # B, D, L
CHUNK = 32  # tokens, of the compiled ssd
HEADS = [
    (1, 4, 64, 1024, 16),
    (2, 4, 64, 4096, 64),
    (1, 8, 32, 4096, 16),
    (1, 8, 64, 1024, 64),
    (4, 4, 64, 256, 64),
]
SCANNED = [(1, 96, 64), (1, 192, 32), (4, 96, 32), (1, 64, 128), (4, 64, 64)]  # B, D, H = W


class Case(NamedTuple):
    """One operation at one size, with what its forward pass moves and computes at least."""

    size: str
    inputs: list[Tensor]
    run: Callable[..., Tensor]
    numbers: float
    operations: float


def bench_ops(names: Sequence[str] = (), rounds: int = 7) -> Iterator[str]:
    """Lines of a Markdown table, as they are measured.

    Args:
        names: Of `OPERATIONS`; all of them if there are none.
        rounds: In which the forms take turns.

    Raises:
        ValueError: If there is no such operation.
    """
    unknown = [name for name in names if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"there is no operation {unknown[0]!r}; there are {', '.join(OPERATIONS)}")
    most = limits()
    yield machine()
    yield f"roofline: {most.bandwidth / 1e9:.1f} GB/s, {most.operations / 1e9:.0f} G operations/s, as torch"
    yield "adds to a large tensor and multiplies matrices; above 100% is in a cache, or faster than that"
    yield f"milliseconds, median of {rounds} rounds ± half the distance of their quartiles, float32\n"
    yield "| operation | size | pass | torch | kernel | torch / kernel | share of the roofline |"
    yield "|---|---|---|---:|---:|---:|---:|"
    # the kernel at every size: where it loses is what is to be seen
    everywhere = dict.fromkeys(dispatch.FEWEST, dispatch.Fewest(0, 0))
    for name in names or OPERATIONS:
        for case in OPERATIONS[name]():
            with patch.object(dispatch, "FEWEST", everywhere):
                yield from _rows(name, case, most, rounds)


def _rows(name: str, case: Case, most: Limits, rounds: int) -> Iterator[str]:
    floor = most.floor(case.numbers, case.operations)
    for title, work in (("forward", _forward), ("forward and backward", _both)):
        run = partial(work, case.run, case.inputs)
        forms = {"torch": partial(_without_kernels, run)}
        if native.library() is not None:
            forms["kernel"] = run
        times = interleaved(forms, rounds)
        cells = [str(times["torch"]), "-", "-", "-"]
        if "kernel" in times:
            kernel = times["kernel"].median
            share = f"{floor / kernel:.0%}" if title == "forward" else "-"
            cells[1:] = [str(times["kernel"]), f"{times['torch'].median / kernel:.1f}", share]
        yield f"| {name} | {case.size} | {title} | {' | '.join(cells)} |"


def _without_kernels(run: Callable[[], None]) -> None:
    with patch.object(native, "library", lambda: None):
        run()


def _forward(run: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    with torch.no_grad():
        run(*inputs)


def _both(run: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    leaves = [t.detach().requires_grad_() for t in inputs]
    y = run(*leaves)
    torch.autograd.grad(y, leaves, torch.ones_like(y))


def _scans() -> Iterator[Case]:
    for b, d, length in SEQUENCES:
        tokens, n = b * length, STATES
        inputs = [torch.randn(b, length, d), 0.1 * torch.rand(b, length, d), -torch.rand(d, n) - 0.1]
        inputs += [torch.randn(b, length, n) for _ in "BC"]
        moved = tokens * (3 * d + 2 * n + d * n / 64)
        yield Case(f"B {b}, D {d}, L {length}", inputs, selective_scan, moved, 13 * tokens * d * n)


def _ssds() -> Iterator[Case]:
    for b, h, p, length, n in HEADS:
        tokens = b * length
        inputs = [torch.randn(b, length, h, p), torch.rand(b, length, h), -torch.rand(h) - 0.1]
        inputs += [torch.randn(b, length, n) for _ in "BC"]
        moved = tokens * (2 * h * p + h + 2 * n + h * p * n / 64)
        size = f"B {b}, {h} heads of {p}, L {length}, N {n}"
        yield Case(size, inputs, ssd, moved, tokens * h * p * (2 * n + CHUNK))


def _directions() -> Iterator[Case]:
    for b, d, side in SCANNED:
        tokens, n, ways = b * side * side, STATES, 4
        orders = [(way, *order) for order in ((side, 1), (side, side)) for way in (False, True)]
        inputs = [torch.randn(b, side * side, d), torch.randn(b, side * side, ways, RANK + 2 * n)]
        inputs += [torch.randn(ways, d, RANK) / 4, -torch.rand(ways, d, n) - 0.1]
        inputs += [torch.randn(ways, d), torch.randn(ways, d) - 2]
        moved = tokens * (2 * d + ways * (RANK + 2 * n + d * n / 64))
        run = partial(directional_scan, ways=orders)
        yield Case(f"B {b}, D {d}, {side} x {side}", inputs, run, moved, 13 * ways * tokens * d * n)


def _maps() -> Iterator[tuple[str, Callable[..., Tensor], float]]:
    """The size in words, a maker of random maps of that size, and how many numbers one holds."""
    for b, c, side in MAPS:
        yield f"{b} x {c} x {side} x {side}", partial(torch.randn, b, c, side, side), b * c * side * side


def _pools() -> Iterator[Case]:
    listed = frequency_list("top16", 2)
    for size, maps, numbers in _maps():
        yield Case(size, [maps()], lambda x: torch.stack(dct_pool(x, listed)), numbers, 22 * numbers)


def _mfms() -> Iterator[Case]:
    for size, maps, numbers in _maps():
        x = maps()
        inputs = [x, torch.randn(*x.shape[:2], 1, 1), maps(), maps()]
        yield Case(size, inputs, mfms_merge, 4 * numbers, 18 * numbers)


def _kernels() -> Iterator[Case]:
    for size, maps, numbers in _maps():
        x = maps()
        weights = torch.randn(2, *x.shape[:2], 1, 1).softmax(0)
        yield Case(size, [weights, x, maps()], lambda w, *m: sk_merge(m, w), 3 * numbers, 2 * numbers)


def _gates() -> Iterator[Case]:
    for size, maps, numbers in _maps():
        x = maps()
        b, c, side, _ = x.shape
        inner = c // 2
        inputs = [x, torch.randn(inner, c, 1, 1) / c**0.5, torch.randn(b, inner, side // 2, side // 2)]
        inputs += [torch.randn(1, inner, 1, 1), torch.randn(1)]
        moved, computed = numbers * (2 + inner / c / 4), numbers * (inner + 6 * inner / c + 1)
        yield Case(size, inputs, partial(attention_gate, factor=(2, 2)), moved, computed)


OPERATIONS: dict[str, Callable[[], Iterator[Case]]] = {
    "selective_scan": _scans,
    "ssd": _ssds,
    "directional_scan": _directions,
    "dct_pool": _pools,
    "mfms_merge": _mfms,
    "sk_merge": _kernels,
    "attention_gate": _gates,
}
"""What moves and what computes at least: see ``README.md`` of each operation, section "Floor"."""
