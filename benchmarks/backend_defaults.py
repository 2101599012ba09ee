"""Threads, windows at a time, memory layout and operator set of the back ends: where the defaults come from.

    python -m benchmarks.backend_defaults --rounds 9

`unet` with a ResNet-34 on 256 x 256, random weights, milliseconds per window. Settings take turns within one
run, and the median counts. ONNX Runtime lays maps out anew (NCHWc) with all its optimisations alone; the rows
without are with the level below.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import numpy as np
import onnxruntime
from benchmarks.exported import exported_unet

from unetzoo.inference.network import OnnxNetwork
from unetzoo.inference.openvino_network import OpenVinoNetwork

SIZE = 256
BATCHES = (1, 2, 4, 8)


def settings(path: Path, newest: Path, cores: int) -> dict[tuple[str, int], Callable[[np.ndarray], Any]]:
    """What computes, by name and threads."""
    found: dict[tuple[str, int], Callable[[np.ndarray], Any]] = {}
    for threads in sorted({1, cores}):
        found["onnxruntime", threads] = OnnxNetwork(path, threads=threads)
        found["openvino", threads] = OpenVinoNetwork(path, threads=threads)
    found["onnxruntime, opset 20", cores] = OnnxNetwork(newest, threads=cores)
    found["onnxruntime, NCHW", cores] = _session(path, cores, level="ORT_ENABLE_EXTENDED")
    found["onnxruntime, threads wait asleep", cores] = _session(path, cores, spinning="0")
    return found


def _session(
    path: Path, threads: int, *, level: str = "ORT_ENABLE_ALL", spinning: str = "1"
) -> Callable[[np.ndarray], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    session = onnxruntime.InferenceSession(path, options)
    return lambda x: session.run(None, {"image": x})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="all cores")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [exported_unet(Path(folder) / f"{opset}.onnx", SIZE, opset=opset) for opset in (18, 20)]
        known = settings(files[0], files[1], args.threads)
    seconds: dict[tuple[str, int, int], list[float]] = {}
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((batch, 3, SIZE, SIZE), dtype=np.float32) for batch in BATCHES]
    for _ in range(1 + args.rounds):
        for (name, threads), network in known.items():
            for x in inputs:
                sleep(0.02)  # a back end's threads go on waiting for work, at the cost of the next
                begun = perf_counter()
                network(x)
                seconds.setdefault((name, threads, len(x)), []).append((perf_counter() - begun) / len(x))
    print(f"{SIZE} x {SIZE}, median of {args.rounds}, ms per window\n")
    print(f"| back end | threads | {' | '.join(f'{b} at a time' for b in BATCHES)} |")
    print(f"|---|---:|{'---:|' * len(BATCHES)}")
    for name, threads in known:
        cells = [f"{1e3 * median(seconds[name, threads, batch][1:]):.1f}" for batch in BATCHES]
        print(f"| {name} | {threads} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
