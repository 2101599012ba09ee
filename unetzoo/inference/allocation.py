"""What the C library does with memory that is given back."""

import ctypes
import sys

__all__ = ["give_back_large_blocks", "set_allocator"]

# from malloc.h of the GNU C library
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGE = 8 * 2**20


def set_allocator(
    *, trim_threshold: int | None = None, mmap_threshold: int | None = None, mmap_max: int | None = None
) -> None:
    """Set what mallopt(3) calls by these names, for the whole process, where the C library is GNU's."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    settings = {_TRIM_THRESHOLD: trim_threshold, _MMAP_THRESHOLD: mmap_threshold, _MMAP_MAX: mmap_max}
    for name, value in settings.items():
        if mallopt is not None and value is not None:
            mallopt(name, value)


def give_back_large_blocks() -> None:
    """Let this process return blocks of 8 MiB and more to the system when they are freed.

    By default each such block that is freed raises the size, up to 32 MiB, below which blocks come from the
    heap, where they leave gaps that the next ones do not fit into: how much is held then depends on how
    reading, computing and writing happen to meet, and tends to rise. For processes of an exported network,
    whose runtime has an arena of its own; torch would fetch its maps anew page by page.
    """
    set_allocator(mmap_threshold=_LARGE, trim_threshold=4 * _LARGE)
