"""What fewer bits cost on real sets: Dice before and after, size of the file, time per window.

    python -m benchmarks.sweep chase_db1 dsb2018_nuclei --data <folder with the sets> --out runs/sweep
    python -m benchmarks.quantised runs/sweep/*-concat-seed0/checkpoints/best.ckpt --threads 2 --test

Each checkpoint is exported in float32, in int8 and with leave for bfloat16, as `unetzoo export` does, with
the gate on val. Dice on test is measured once and decides nothing. Windows take turns within one run.
"""

import argparse
import os
import tempfile
from math import isnan
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np

from unetzoo import load
from unetzoo.cli.trained_data import data_of
from unetzoo.inference import Predictor
from unetzoo.onnx_export import export
from unetzoo.quantisation import Gate, GateFailed, export_quantised

BACKENDS = {"onnxruntime": Predictor.from_onnx, "openvino": Predictor.from_openvino}


def rows(checkpoint: Path, folder: Path, *, threads: int, rounds: int, test: bool) -> list[str]:
    """The table's rows of one checkpoint."""
    model = load(checkpoint)
    data = data_of(model.run_config, str(checkpoint))
    assert model.data is not None
    data.spec = model.data
    files = {"float32": export(model, folder / "float32.onnx", data=model.data, dynamic=True)}
    for precision in ("int8", "bf16"):
        try:
            files[precision] = export_quantised(
                model, folder / f"{precision}.onnx", data, precision=precision, dynamic=True, tell=print
            )
        except GateFailed as failure:
            print(failure)
    predictors = {
        (precision, name): opened(path, threads=threads)
        for precision, path in files.items()
        for name, opened in BACKENDS.items()
        if (precision, name) != ("bf16", "onnxruntime")  # computes such a file in float32
    }
    seconds = _seconds(predictors, rounds)
    gate = Gate(predictors["float32", "onnxruntime"], data, split="test") if test else None
    found = []
    for (precision, name), predictor in predictors.items():
        cost = predictor.contract.quantisation
        val, tested, left = "-", "-", "-"
        if cost is not None:
            val = _lost(cost.dice_before, cost.dice_after, cost.drop)
            left = str(len(cost.left_out))
            if gate is not None:
                verdict = gate.judge(predictor)
                tested = _lost(verdict.before, verdict.after, verdict.drop)
        found.append(
            f"| {data.name} | {precision}, {name} | {val} | {tested} | {left} "
            f"| {files[precision].stat().st_size / 1e6:.2f} | {1e3 * seconds[precision, name]:.1f} |"
        )
    return found


def _lost(before: float, after: float, drop: tuple[float, float] | None) -> str:
    low, high = drop or (float("nan"), float("nan"))
    interval = "no interval" if isnan(low) else f"{low:+.4f} to {high:+.4f}"
    return f"{before:.4f} to {after:.4f} ({interval})"


def _seconds(predictors: dict[tuple[str, str], Predictor], rounds: int) -> dict[tuple[str, str], float]:
    """Median time of one window, forms taking turns."""
    spec = next(iter(predictors.values())).contract.data
    x = np.random.default_rng(0).standard_normal((4, len(spec.bands), *spec.tile), dtype=np.float32)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in predictors}
    for _ in range(1 + rounds):
        for key, predictor in predictors.items():
            sleep(0.1)  # a back end's threads go on waiting for work, at the cost of the next
            begun = perf_counter()
            predictor.network(x)
            times[key].append((perf_counter() - begun) / len(x))
    return {key: median(t[1:]) for key, t in times.items()}


def main() -> None:
    """Export, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--test", action="store_true", help="also Dice on test")
    args = parser.parse_args()
    table = []
    for checkpoint in args.checkpoints:
        with tempfile.TemporaryDirectory() as folder:
            table += rows(checkpoint, Path(folder), threads=args.threads, rounds=args.rounds, test=args.test)
    print(f"\n{args.threads} threads, windows of the model's tile in batches of 4, median of {args.rounds}\n")
    print(
        "| set | computed in | Dice on val, float32 to this (95 % of the drop) | on test | layers in float32 "
        "| file, MB | ms per window |"
    )
    print("|---|---|---|---|---:|---:|---:|")
    print("\n".join(table))


if __name__ == "__main__":
    main()
