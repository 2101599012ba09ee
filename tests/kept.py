"""What a forward pass leaves in memory."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["kept_bytes"]


weak: Any = StorageWeakRef


def kept_bytes(forward: Callable[[], Any]) -> int:
    """Bytes of all tensors that ``forward`` made and that are alive with its result, whoever holds them."""
    made = _Made()
    with made:
        out = forward()
    alive: int = sum(size for storage, size in made.storages.values() if not storage.expired())
    del out
    return alive


class _Made(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: dict[int, tuple[Any, int]] = {}
        self.given: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.given |= {place(t) for t in tensors((args, kwargs))} - self.storages.keys()
        out = func(*args, **(kwargs or {}))
        for tensor in tensors(out):
            if place(tensor) not in self.given:
                storage = tensor.untyped_storage()
                self.storages[place(tensor)] = weak(storage), storage.nbytes()
        return out


def tensors(tree: Any) -> list[Tensor]:
    return [t for t in tree_leaves(tree) if isinstance(t, Tensor) and t.device.type != "meta"]


def place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
