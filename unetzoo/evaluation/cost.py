"""What a network costs, as far as it can be told while it is measured."""

import math
import sys
from pathlib import Path
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
    network = getattr(predictor, "network", None)
    count, path = getattr(network, "parameters", None), getattr(network, "path", None)
    if isinstance(path, Path) and path.suffix == ".onnx":
        return _in_file(path)
    return count if isinstance(count, int) else None


def _in_file(path: Path) -> int | None:
    """Numbers that an ONNX file's constants hold, but for the integers that shapes are made of."""
    try:
        import onnx
    except ImportError:
        return None
    graph = onnx.load(path, load_external_data=False).graph
    shapes = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL)
    return sum(int(math.prod(item.dims)) for item in graph.initializer if item.data_type not in shapes)
