"""Every skip pathway in the same network on the same data: one seed each, three for the best four on val.

    python -m benchmarks.sweep dsb2018_nuclei chase_db1 --data <folder with the sets>

A single run of it is ``unetzoo train experiment=<experiment> model/skip=<pathway> seed=<seed>``, all of a
seed ``unetzoo train -m experiment=<experiment> model/skip=<a>,<b>,...``, with trainer.precision=32-true.
Encoder, decoder, batches, budget and loss are the experiment's for every pathway. Which four get more seeds
is decided on val; test is measured, not looked at. Runs that are there already are not repeated.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import torch
from benchmarks.runs import measured

SKIPS = [
    "concat", "add", "attention_gate", "nested", "full_scale", "aff", "sk", "cbam",
    "sdi", "res_path", "fpn", "scale",
]  # fmt: skip
SEEDS = [0, 1, 2]


def main() -> None:
    """Run all and print a table for each experiment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--skips", nargs="+", default=SKIPS)
    parser.add_argument(
        "--only-first-seed", action="store_true", help="leave out the best four's other seeds"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)

    def run(experiment: str, skip: str, seed: int) -> dict[str, float]:
        return measured(
            f"{experiment}-{skip}-seed{seed}",
            [f"experiment={experiment}", f"model/skip={skip}", f"seed={seed}"],
            data=args.data,
            out=args.out,
        )

    for experiment in args.experiments:
        runs = {skip: [run(experiment, skip, SEEDS[0])] for skip in args.skips}
        ranked = sorted(runs, key=lambda skip: -runs[skip][0]["val_dice"])
        if not args.only_first_seed:
            for skip in ranked[:4]:
                runs[skip] += [run(experiment, skip, seed) for seed in SEEDS[1:]]
        print(f"\n{experiment}: seeds {SEEDS} for the best four on val, one thread\n")
        print(
            "| skip | parameters | val Dice, seed 0 | test Dice | spread | test IoU | seeds | CPU minutes |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for skip in ranked:
            dice = [r["dice"] for r in runs[skip]]
            first = runs[skip][0]
            iou, minutes = (mean(r[name] for r in runs[skip]) for name in ("iou", "cpu_minutes"))
            spread = f"{stdev(dice):.4f}" if len(dice) > 1 else "-"
            print(
                f"| `{skip}` | {first['parameters']:,} | {first['val_dice']:.4f} | {mean(dice):.4f} "
                f"| {spread} | {iou:.4f} | {len(dice)} | {minutes:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
