"""What becomes of memory that is given back."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# from malloc.h of the GNU C library
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees and use it again, where the C library is GNU's.

    By default large tensors go back to the system when they die, and the next ones are handed out page by
    page as they are first touched, in every step of a training anew. The most memory that a process takes
    stays the same; it is held until the process ends.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)
