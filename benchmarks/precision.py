"""What the precision that `unetzoo train` chooses on a processor does to Dice, beside float32.

    python -m benchmarks.precision --data <folder with the sets>

The same network (`unet` with a ResNet-34), data, batches, steps and seeds; only ``trainer.precision``
differs. val chooses the checkpoint, test is read once. One thread. Runs that are there are not repeated.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import torch
from benchmarks.runs import measured

ROWS = {"float32": "32-true", "as chosen": "auto"}


def main() -> None:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/precision"))
    parser.add_argument("--experiment", default="dsb2018_nuclei")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(1)

    def run(precision: str, seed: int) -> dict[str, float]:
        overrides = [f"experiment={args.experiment}", "model/encoder=resnet34", f"seed={seed}"]
        return measured(
            f"{args.experiment}-{precision}-seed{seed}",
            [*overrides, f"trainer.precision={precision}"],
            data=args.data,
            out=args.out,
        )

    print("| precision | val Dice | test Dice | spread | test Dice per seed | CPU minutes |")
    print("|---|---:|---:|---:|---|---:|")
    for row, precision in ROWS.items():
        runs = [run(precision, seed) for seed in args.seeds]
        dice = [r["dice"] for r in runs]
        val, minutes = (mean(r[key] for r in runs) for key in ("val_dice", "cpu_minutes"))
        each = ", ".join(f"{d:.4f}" for d in dice)
        print(
            f"| {row} | {val:.4f} | {mean(dice):.4f} | {stdev(dice):.4f} | {each} | {minutes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
