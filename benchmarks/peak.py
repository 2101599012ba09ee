"""Peak memory of a piece of work, as the system sees it."""

from collections.abc import Callable
from pathlib import Path

__all__ = ["MIB", "QUIET", "peak_rise"]

MIB = 2**20
QUIET = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Environment of a process whose memory goes back to the system at once, so a peak is not the allocator's."""


def peak_rise(work: Callable[[], object]) -> int:
    """Bytes by which the process grew at most while ``work`` ran, by the kernel's own count (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    base = _status("VmRSS")
    work()
    return _status("VmHWM") - base


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
