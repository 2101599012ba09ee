"""What pruning a UNet++ saves: parameters, file size and latency per depth, as a Markdown table.

    python benchmarks/pruning.py [--tile 256] [--threads 1] [--rounds 9]

The networks have random weights; neither sizes nor times depend on them. Rounds run all depths in turn, so
that whatever else the machine does falls on all of them, and the median counts.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from unetzoo import create_model
from unetzoo.inference.contract import ClassSpec, DataSpec, Normalisation
from unetzoo.inference.network import OnnxNetwork
from unetzoo.onnx_export import export


def main() -> None:
    """Export every depth, time the files in turn, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tile", type=int, default=256, help="pixels per side")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime, within an operator")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128, 256], help="per row")
    args = parser.parse_args()

    widths = {"encoder.channels": args.channels, "decoder.channels": args.channels}
    model = create_model("unet_plus_plus", encoder="conv2d", overrides=widths).eval()
    data = DataSpec(
        ndim=2,
        bands=("red", "green", "blue"),
        classes=(ClassSpec("background", (0,), (0, 0, 0)), ClassSpec("object", (1,), (255, 0, 0))),
        normalisation=Normalisation("imagenet"),
        tile=(args.tile, args.tile),
    )
    depths = range(1, len(args.channels))
    x = np.random.default_rng(0).standard_normal((1, 3, args.tile, args.tile), dtype=np.float32)
    seconds: dict[int, list[float]] = {depth: [] for depth in depths}
    parameters, size = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        networks = {}
        for depth in depths:
            pruned = model.prune(depth)
            path = export(pruned, Path(folder) / f"l{depth}.onnx", data=data)
            parameters[depth], size[depth] = sum(p.numel() for p in pruned.parameters()), path.stat().st_size
            networks[depth] = OnnxNetwork(path, threads=args.threads)
            networks[depth](x)
        for _ in range(args.rounds):
            for depth, network in networks.items():
                started = perf_counter()
                network(x)
                seconds[depth].append(perf_counter() - started)

    rows = ", ".join(map(str, args.channels))
    print(
        f"UNet++, conv2d encoder ({rows}), {args.tile} x {args.tile} pixels, ONNX Runtime on the CPU, "
        f"{args.threads} thread(s), median of {args.rounds} interleaved runs (torch {torch.__version__}).\n"
    )
    print("| depth | parameters | ONNX file, MB | latency, ms |\n|---|---:|---:|---:|")
    for depth in depths:
        megabytes, milliseconds = size[depth] / 1e6, median(seconds[depth]) * 1e3
        print(f"| L{depth} | {parameters[depth]:,} | {megabytes:.2f} | {milliseconds:.1f} |")
    for name, column in (("size", size), ("latency", {d: median(t) for d, t in seconds.items()})):
        if sorted(column, key=column.__getitem__) != list(depths):
            raise SystemExit(
                f"{name} does not fall with the depth; the machine is too busy to say, run it again"
            )


if __name__ == "__main__":
    main()
