"""Named networks beside a plain U-Net: the same data, batches, steps and loss, three seeds each.

    python -m benchmarks.networks chase_db1 dsb2018_nuclei hippocampus_msd --data <folder with the sets>

A single run of it is ``unetzoo train`` with what stands in TRAINING and ROWS, and ``seed=<seed>``. Networks
are made small enough for a processor, at widths near the U-Net's. The checkpoint is the best on val; test is
measured once and decides nothing. Runs that are there already are not repeated.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import torch
from benchmarks.runs import measured

SEEDS = [0, 1, 2]
TRAINING = {  # as in the experiments of these names, which choose parts of their own network too
    "chase_db1": [
        "data=chase_db1",
        "augment=medical",
        "data.patch=[128,128]",
        "data.batch_size=4",
        "data.samples_per_epoch=400",
        "data.num_workers=0",
        "optimizer.lr=3.0e-3",
        "trainer.max_epochs=4",
    ],
    "dsb2018_nuclei": [
        "data=dsb2018_nuclei",
        "augment=microscopy",
        "data.patch=[128,128]",
        "data.batch_size=4",
        "data.samples_per_epoch=500",
        "data.num_workers=0",
        "optimizer.lr=3.0e-3",
        "trainer.max_epochs=2",
    ],
    "hippocampus_msd": [
        "data=hippocampus_msd",
        "augment=volume",
        "data.batch_size=2",
        "data.samples_per_epoch=60",
        "data.num_workers=0",
        "optimizer.lr=2.0e-3",
        "trainer.max_epochs=10",  # with 5, seed 0 of the plain U-Net misses a class on val
    ],
}
WIDTHS = ["model.encoder.channels=[16,32,64,128]", "model.decoder.channels=[16,32,64]"]
FLAT = {
    "unet": ["model=unet", "model/encoder=conv2d", *WIDTHS],
    "meunet": ["model=meunet", "model.encoder.channels=[16,32,64]"],
    "cvmh_unet": ["model=cvmh_unet", "model.encoder.width=24"],
    "mamba_unet_plus_plus": ["model=mamba_unet_plus_plus", "model/encoder=conv2d", *WIDTHS],
    "uc_trans_net": [
        "model=uc_trans_net",
        *WIDTHS,
        "model.encoder.blocks=[1,2,2,2]",
        "model.skip.steps.first.grid=16",
    ],
    "macmd": ["model=macmd", "model.encoder.name=pvt_v2_b0"],
}
ROWS = {
    "chase_db1": FLAT,
    "dsb2018_nuclei": FLAT,
    "hippocampus_msd": {
        "unet": ["model=unet", "model/encoder=conv3d", "model.encoder.channels=[16,32,64,128]"],
        "freq_vessel": ["model=freq_vessel"],
    },
}


def main() -> None:
    """Run all and print a table for each experiment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", nargs="+", choices=[*ROWS])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/networks"))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for experiment in args.experiments:
        print(f"\n{experiment}: seeds {args.seeds}, one thread\n")
        print("| model | parameters | val Dice | test Dice | spread | test IoU | CPU minutes |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for name, overrides in ROWS[experiment].items():
            runs = [
                measured(
                    f"{experiment}-{name}-seed{seed}",
                    [*TRAINING[experiment], *overrides, f"seed={seed}"],
                    data=args.data,
                    out=args.out,
                )
                for seed in args.seeds
            ]
            dice = [run["dice"] for run in runs]
            spread = f"{stdev(dice):.4f}" if len(dice) > 1 else "-"
            val, iou, minutes = (mean(r[key] for r in runs) for key in ("val_dice", "iou", "cpu_minutes"))
            print(
                f"| `{name}` | {runs[0]['parameters']:,} | {val:.4f} | {mean(dice):.4f} | {spread} "
                f"| {iou:.4f} | {minutes:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
