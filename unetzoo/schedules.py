"""Learning rates over a run, as torch schedulers stepped once per optimizer step."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["constant", "cosine", "poly"]


def cosine(optimizer: Optimizer, *, total_steps: int, warmup: float = 0.05, final: float = 0.0) -> LambdaLR:
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, arXiv:1608.03983, without
    restarts).

    Args:
        optimizer: Whose rates are scaled.
        total_steps: Optimizer steps of the whole run.
        warmup: Fraction of the steps in which the rate rises from near zero.
        final: Rate at the end, as a fraction of the optimizer's ``lr``.
    """
    return _schedule(
        optimizer, total_steps, warmup, lambda t: final + (1 - final) * (1 + math.cos(math.pi * t)) / 2
    )


def poly(optimizer: Optimizer, *, total_steps: int, warmup: float = 0.0, power: float = 0.9) -> LambdaLR:
    """``(1 - t)^power`` over the run, what nnU-Net and DeepLab (arXiv:1606.00915) use.

    Args:
        optimizer: Whose rates are scaled.
        total_steps: Optimizer steps of the whole run.
        warmup: Fraction of the steps in which the rate rises from near zero.
        power: Exponent; 1 is a straight line.
    """
    return _schedule(optimizer, total_steps, warmup, lambda t: (1 - t) ** power)


def constant(optimizer: Optimizer, *, total_steps: int, warmup: float = 0.0) -> LambdaLR:
    """The optimizer's rate throughout, after an optional warm-up.

    Args:
        optimizer: Whose rates are scaled.
        total_steps: Optimizer steps of the whole run.
        warmup: Fraction of the steps in which the rate rises from near zero.
    """
    return _schedule(optimizer, total_steps, warmup, lambda t: 1.0)


def _schedule(
    optimizer: Optimizer, total_steps: int, warmup: float, after: Callable[[float], float]
) -> LambdaLR:
    """Warm-up, then ``after(t)`` for t from 0 (warm-up done) to 1 (end of the run)."""
    if not 0 <= warmup < 1:
        raise ValueError(f"scheduler.warmup is a fraction of the run, from 0 up to but not 1; given {warmup}")
    rising = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return after(min(1.0, (step - rising) / max(1, total_steps - rising)))

    return LambdaLR(optimizer, factor)
