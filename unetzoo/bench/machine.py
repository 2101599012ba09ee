"""What this processor can do at most, measured: the two roofs of Williams et al. 2009, "Roofline"."""

import platform
from typing import NamedTuple

import torch

from unetzoo.bench.timing import interleaved
from unetzoo.ops import native

__all__ = ["Limits", "limits", "machine"]


class Limits(NamedTuple):
    """Bytes a second from and to memory, and float32 operations a second, a fused one counted once."""

    bandwidth: float
    operations: float

    def floor(self, numbers: float, operations: float) -> float:
        """Seconds that moving so many float32 numbers and so many operations take at least."""
        return max(4 * numbers / self.bandwidth, operations / self.operations)


def limits(rounds: int = 5) -> Limits:
    """Measured with as many threads as torch has, by adding one to 128 MiB and by a matrix product."""
    x, y = torch.zeros(2**25), torch.empty(2**25)
    a, b = torch.randn(1536, 1536), torch.randn(1536, 1536)
    c = torch.empty(1536, 1536)
    times = interleaved(
        {"memory": lambda: torch.add(x, 1.0, out=y), "arithmetic": lambda: torch.mm(a, b, out=c)}, rounds
    )
    return Limits(8 * x.numel() / times["memory"].median, 1536**3 / times["arithmetic"].median)


def machine() -> str:
    """One line on what the figures were measured with."""
    library = native.library()
    kernels = f"kernels with {library.unetzoo_isa().decode()}" if library else "no kernels"
    threads = torch.get_num_threads()
    return f"torch {torch.__version__}, {platform.machine()}, {threads} threads, {kernels}"
