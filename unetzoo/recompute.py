"""Trade time for memory: compute activations again in the backward pass instead of keeping them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["recomputed"]


def recomputed(function: Callable[..., Tensor], *inputs: Tensor, of: nn.Module) -> Tensor:
    """``function(*inputs)``, of which training keeps the inputs alone (Chen et al. 2016, arXiv:1604.06174).

    Gradients are those of the plain call, dropout included. Running statistics of batch norms in ``of`` are
    updated once, which `torch.utils.checkpoint` by itself would do twice.

    Args:
        of: What ``function`` computes with.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    norms = [m for m in of.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_updates(norms)

    # torch.compile plans recomputation itself and knows no such contexts
    options: dict[str, Any] = {} if torch.compiler.is_compiling() or not norms else {"context_fn": contexts}
    out: Tensor = checkpoint(function, *inputs, use_reentrant=False, **options)
    return out


@contextmanager
def _without_updates(norms: list[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    """Normalise by the batch as before, and leave the running statistics as they are."""
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms if norm.track_running_stats]
    for norm, _, batches in kept:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if batches is None else batches.clone()
    try:
        yield
    finally:
        for norm, momentum, batches in kept:
            norm.momentum, norm.num_batches_tracked = momentum, batches
