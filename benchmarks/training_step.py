"""A training step of `unet` on a ResNet-34, with the settings that `unetzoo train` chooses, beside smp's.

    python -m benchmarks.training_step --threads 2 --rounds 3

Forward, backward and AdamW on a batch of 4 x 3 x 256 x 256. Every row is a process of its own, as settings
hold for a process; processes take turns, and a time is the median over rounds of each one's median of five
steps.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from statistics import median

import torch

from unetzoo import create_model
from unetzoo.allocation import keep_freed_memory

ROWS = {  # network, keeps memory, channels last, bfloat16
    "smp.Unet, eager float32": ("smp", False, False, False),
    "smp.Unet, channels last, bfloat16": ("smp", False, True, True),
    "unetzoo, eager float32": ("unet", False, False, False),
    "unetzoo, + keeps freed memory": ("unet", True, False, False),
    "unetzoo, + channels last": ("unet", True, True, False),
    "unetzoo, + bfloat16: as chosen": ("unet", True, True, True),
}
MIB = 2**20


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        print(*measure(*ROWS[args.row], threads=args.threads))
        return
    found: dict[str, list[tuple[float, float]]] = {row: [] for row in ROWS}
    for _ in range(args.rounds):
        for row in ROWS:
            command = [sys.executable, "-m", "benchmarks.training_step", f"--row={row}"]
            done = subprocess.run(
                [*command, f"--threads={args.threads}"],
                env=os.environ | {"OMP_NUM_THREADS": str(args.threads)},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            seconds, peak = map(float, done.stdout.splitlines()[-1].split())
            found[row].append((seconds, peak))
    first = median(seconds for seconds, _ in next(iter(found.values())))
    print("| training step | ms | faster than the first row | peak of the process, MiB |")
    print("|---|---:|---:|---:|")
    for row, runs in found.items():
        seconds, peak = (median(run[k] for run in runs) for k in (0, 1))
        print(f"| {row} | {1e3 * seconds:.0f} | {first / seconds:.2f} | {peak / MIB:.0f} |")


def measure(network: str, keep: bool, last: bool, half: bool, *, threads: int) -> tuple[float, int]:
    """Seconds of a step, and the most memory that the process had, in bytes."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if keep:
        keep_freed_memory()
    if network == "smp":
        import segmentation_models_pytorch as smp

        model = smp.Unet("resnet34", encoder_weights=None, classes=2)
    else:
        model = create_model(network, encoder="resnet34", in_channels=3, classes=2)
    layout = torch.channels_last if last else torch.contiguous_format
    model = model.to(memory_format=layout).train()
    x = torch.randn(4, 3, 256, 256).contiguous(memory_format=layout)
    optimizer, times = torch.optim.AdamW(model.parameters()), []
    for _ in range(7):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            loss = model(x).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    return median(times[2:]), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
