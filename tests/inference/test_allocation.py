"""Memory that is given back."""

import ctypes
import subprocess
import sys

import pytest

AFTER = """
import sys
import numpy as np
from unetzoo.inference.allocation import give_back_large_blocks

def held():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])

if sys.argv[1] == "given back":
    give_back_large_blocks()
block = np.ones(30 * 2**20, np.uint8)
del block  # glibc takes blocks of up to this size from the heap from now on
before = held()
block, above = np.ones(20 * 2**20, np.uint8), [bytes(999) for _ in range(2000)]
del block
print(held() - before)
"""


def held_after(how: str) -> int:
    """KiB."""
    run = subprocess.run([sys.executable, "-c", AFTER, how], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not GNU's"
)
def test_freed_block_goes_back_even_when_something_small_came_after_it() -> None:
    assert held_after("given back") < 10_000 < 20_000 < held_after("default")
