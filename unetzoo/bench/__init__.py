"""How fast operations and models are on this machine, beside what it can do: `unetzoo bench`."""

from unetzoo.bench.machine import Limits, limits
from unetzoo.bench.models import bench_models
from unetzoo.bench.ops import OPERATIONS, bench_ops

__all__ = ["OPERATIONS", "Limits", "bench_models", "bench_ops", "limits"]
