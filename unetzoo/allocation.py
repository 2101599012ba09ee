"""What becomes of memory that is given back during training."""

from unetzoo.inference.allocation import set_allocator

__all__ = ["keep_freed_memory"]

_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees and use it again, where the C library is GNU's.

    By default large tensors go back to the system when they die, and the next ones are handed out page by
    page as they are first touched, in every step of a training anew. The most memory that a process takes
    stays the same; it is held until the process ends.
    """
    set_allocator(mmap_max=0, trim_threshold=_NEVER)
