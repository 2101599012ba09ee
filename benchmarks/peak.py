"""Peak memory of a piece of work, as the system sees it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import sleep

__all__ = ["MIB", "QUIET", "peak_rise"]

MIB = 2**20
QUIET = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Environment of a process whose memory goes back to the system at once, so a peak is not the allocator's."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def peak_rise(work: Callable[[], object]) -> int:
    """Bytes by which the process grew at most while ``work`` ran."""
    base, peak, done = _resident(), 0, threading.Event()

    def follow() -> None:
        # every millisecond: torch computes without Python's lock
        nonlocal peak
        while not done.is_set():
            peak = max(peak, _resident())
            sleep(0.001)

    watch = threading.Thread(target=follow)
    watch.start()
    try:
        work()
    finally:
        done.set()
        watch.join()
    return peak - base


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
