"""What a network costs, as far as it can be told while it is measured."""

import sys
from typing import Any

__all__ = ["memory_mb", "parameters_of"]


def memory_mb() -> float | None:
    """Peak memory of this process in MB, on a GPU what torch held there; None where nobody counts."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def parameters_of(predictor: Any) -> int | None:
    """Parameters of a predictor's network, None where it does not say."""
    count = getattr(getattr(predictor, "network", None), "parameters", None)
    return count if isinstance(count, int) else None
