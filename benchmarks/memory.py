"""Training memory of a network, with its activations kept and with them computed again, as a Markdown table.

    python -m benchmarks.memory rev_mbconv_unet_3d partially_reversible_unet_3d --patch 64

Every row is a process of its own that builds the network, does one forward and backward pass on a patch
(mean square of the logits, one thread, float32) and reports how far its resident memory rose above what
it was with the network and its gradients in place: activations, and what the passes themselves need. Memory
is given back to the system at once (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_), so the peak is not the
allocator's hoard. The last column is the difference to the gradients of `none`, relative to their norm.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import torch

from unetzoo import create_model

MODES = ("none", "checkpoint", "reversible")
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20


def main() -> None:
    """Measure every network in every mode and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--patch", type=int, default=64, help="voxels per side")
    parser.add_argument("--depth", type=int, default=1, help="reversible blocks per row, twice in the last")
    parser.add_argument("--widths", type=int, nargs="+", help="channels per row; the model's own by default")
    parser.add_argument("--mode", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mode:
        print(json.dumps(measure(args)))
        return
    print("| network | recompute | peak, MiB | of none | seconds | gradient's difference |")
    print("|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for model in args.models:
            report(model, args, Path(folder))


def report(model: str, args: argparse.Namespace, folder: Path) -> None:
    """The rows of one network."""
    shared = [f"--patch={args.patch}", f"--depth={args.depth}"]
    shared += ["--widths", *map(str, args.widths)] if args.widths else []
    rows: dict[str, dict[str, float]] = {}
    for mode in MODES:
        out = folder / f"{mode}.pt"
        command = [
            sys.executable,
            "-m",
            "benchmarks.memory",
            model,
            *shared,
            f"--mode={mode}",
            f"--out={out}",
        ]
        # big blocks straight from the system and straight back
        quiet = {
            "OMP_NUM_THREADS": "1",
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_TRIM_THRESHOLD_": "65536",
        }
        done = subprocess.run(command, env=os.environ | quiet, check=True, stdout=subprocess.PIPE, text=True)
        rows[mode] = json.loads(done.stdout.splitlines()[-1])
    kept = torch.load(folder / "none.pt")
    scale = norm(kept)
    for mode, row in rows.items():
        found = torch.load(folder / f"{mode}.pt")
        difference = norm([a - b for a, b in zip(found, kept, strict=True)]) / scale
        share = row["peak"] / rows["none"]["peak"]
        print(
            f"| {model} | {mode} | {row['peak'] / MIB:.0f} | {share:.2f} | {row['seconds']:.1f} "
            f"| {difference:.1e} |",
            flush=True,
        )


def norm(tensors: list[torch.Tensor]) -> float:
    """Root of the sum of all squares."""
    return float(torch.stack([t.double().square().sum() for t in tensors]).sum().sqrt())


def measure(args: argparse.Namespace) -> dict[str, float]:
    """One forward and backward pass; bytes above the network and its gradients, and seconds."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    overrides: dict[str, Any] = {
        f"{part}.block.{key}": value
        for part in ("encoder", "decoder")
        for key, value in (("recompute", args.mode), ("depth", args.depth))
    }
    overrides["encoder.bottleneck.depth"] = 2 * args.depth
    if args.widths:
        overrides["encoder.channels"] = args.widths
    model = create_model(args.models[0], in_channels=4, num_classes=3, overrides=overrides).train()
    # a small patch first: libraries load their code, and every gradient gets its place
    unit = max(model.divisor)
    model(torch.zeros(1, 4, *(2 * d for d in model.divisor))).square().mean().backward()
    model.zero_grad(set_to_none=False)
    x = torch.randn(1, 4, *(max(args.patch, unit),) * 3)
    base, peak, done = resident(), [0], threading.Event()
    watch = threading.Thread(target=follow, args=(peak, done))
    watch.start()
    start = perf_counter()
    model(x).square().mean().backward()
    seconds = perf_counter() - start
    done.set()
    watch.join()
    torch.save([p.grad for p in model.parameters()], args.out)
    return {"peak": peak[0] - base, "seconds": seconds}


def follow(peak: list[int], done: threading.Event) -> None:
    """Look every millisecond, as torch computes without Python's lock."""
    while not done.is_set():
        peak[0] = max(peak[0], resident())
        sleep(0.001)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


if __name__ == "__main__":
    main()
