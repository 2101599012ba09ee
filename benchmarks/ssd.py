"""State space duality forwards and backwards: the kernel beside torch's chunks, as they are and compiled.

    python -m benchmarks.ssd --threads 2

"chunks" is what runs without `unetzoo-kernels`; "compiled" the same by torch.compile, for this very shape,
which needs a C++ compiler. Forms take turns of five calls, the first of which is not measured; a time is the
median of the others, of all rounds. --keep-memory measures in a process that keeps the memory it frees, as
`unetzoo train` does.
"""

import argparse
from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Tensor

from unetzoo.allocation import keep_freed_memory
from unetzoo.bench.ops import HEADS
from unetzoo.bench.timing import interleaved
from unetzoo.ops import native, ssd


def main() -> None:
    """Measure every shape and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep-memory", action="store_true")
    args = parser.parse_args()
    if args.keep_memory:
        keep_freed_memory()
    torch.set_num_threads(args.threads)
    print("| B, heads, channels, L, N | chunks | compiled | kernel | chunks / kernel | compiled / kernel |")
    print("|---|---:|---:|---:|---:|---:|")
    for batch, heads, channels, length, state in HEADS:
        torch.manual_seed(0)
        inputs = [torch.randn(batch, length, heads, channels), torch.rand(batch, length, heads)]
        inputs += [-torch.rand(heads) - 0.1, *(torch.randn(batch, length, state) for _ in "BC")]
        compiled = torch.compile(ssd, fullgraph=True, dynamic=False)
        forms = {
            "chunks": without_kernels(both_passes(ssd, inputs)),
            "compiled": without_kernels(both_passes(compiled, inputs)),
            "kernel": both_passes(ssd, inputs),
        }
        chunks, fused, kernel = (time.median for time in interleaved(forms, args.rounds, calls=5).values())
        row = " | ".join(f"{1e3 * t:.2f}" for t in (chunks, fused, kernel))
        size = f"({batch}, {heads}, {channels}, {length}, {state})"
        print(f"| {size} | {row} | {chunks / kernel:.1f} | {fused / kernel:.1f} |", flush=True)


def both_passes(form: Callable[..., Tensor], inputs: list[Tensor]) -> Callable[[], object]:
    """Forwards, and backwards to every input."""
    leaves = [t.clone().requires_grad_() for t in inputs]
    dy = torch.randn_like(leaves[0])
    return lambda: torch.autograd.grad(form(*leaves), leaves, dy)


def without_kernels(run: Callable[[], object]) -> Callable[[], object]:
    """The same in plain torch."""

    def plain() -> object:
        with patch.object(native, "library", lambda: None):
            return run()

    return plain


if __name__ == "__main__":
    main()
