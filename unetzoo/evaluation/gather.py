"""One evaluation by several processes: each takes its share of the cases, and all know every result."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist

__all__ = ["first", "gather", "joined", "share"]

T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes where ``torchrun`` has started several; alone nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    dist.init_process_group("gloo")  # results are Python objects on the CPU
    try:
        yield
    finally:
        dist.destroy_process_group()


def share(cases: Sequence[T]) -> list[T]:
    """The cases of this process: all where it is alone."""
    if not _several():
        return list(cases)
    return list(cases[dist.get_rank() :: dist.get_world_size()])


def gather(results: Sequence[T], name: Callable[[T], str], order: Sequence[str]) -> list[T]:
    """The results of all processes, each case once, in the order of the names.

    A case that several processes have done, as samplers that pad their shares make them do, counts once.
    """
    parts: list[Sequence[T]] = [results]
    if _several():
        parts = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(parts, list(results))
    found = {name(result): result for part in reversed(parts) for result in part}
    return [found[key] for key in dict.fromkeys(order) if key in found]


def first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return not _several() or dist.get_rank() == 0


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
