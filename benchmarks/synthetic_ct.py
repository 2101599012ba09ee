"""Images of a poor tomograph, and what networks make of them: plain L1 beside the error in several windows.

    python -m benchmarks.synthetic_ct --data <folder with hippocampus_msd> --models unet --seeds 0 1 2

The set is made by data/synthetic_ct/prepare.py on the first call, in the folder of the results. A single run
is ``unetzoo train experiment=synthetic_ct loss=<loss> seed=<seed> trainer.precision=32-true``. The checkpoint
is chosen on val by its mean absolute error; test is measured once, as means over slices. The first row is the
input itself, as if it were the prediction. Runs that are there already are not repeated.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from benchmarks.runs import measured
from data.synthetic_ct.prepare import main as prepare
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from unetzoo.metrics import image_errors

MEASURES = {"mae": 1, "psnr": 2, "ssim": 4}
"""And their digits."""


def main() -> None:
    """Make the set, run all and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with hippocampus_msd in it")
    parser.add_argument("--out", type=Path, default=Path("runs/synthetic_ct"))
    parser.add_argument("--models", nargs="+", default=["unet"], help="named models, in 2D")
    parser.add_argument("--losses", nargs="+", default=["l1", "multi_window"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("overrides", nargs="*", help="of the experiment, as for unetzoo train, after --")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sets = args.out / "data"
    if not (sets / "synthetic_ct" / "manifest.csv").is_file() and prepare(
        [str(args.data / "hippocampus_msd"), "--out", str(sets / "synthetic_ct")]
    ):
        raise SystemExit(2)

    overrides = ["experiment=synthetic_ct", *args.overrides]
    rows = {("the input", "-"): [of_the_input(sets)]}
    for model in args.models:
        for loss in args.losses:
            rows[model, loss] = [
                measured(
                    f"{model}-{loss}-seed{seed}",
                    [f"model={model}", f"loss={loss}", f"seed={seed}", *overrides],
                    data=sets,
                    out=args.out,
                )
                for seed in args.seeds
            ]
    print(f"\nseeds {args.seeds}, one thread; {' '.join(args.overrides) or 'the experiment as it is'}\n")
    print("| prediction | loss | parameters | MAE, made HU | PSNR, dB | SSIM | SSIM per seed | CPU minutes |")
    print("|---|---|---:|---:|---:|---:|---|---:|")
    for (model, loss), runs in rows.items():
        mae, psnr, ssim = (spread([run[name] for run in runs], digits) for name, digits in MEASURES.items())
        each = ", ".join(f"{run['ssim']:.4f}" for run in runs)
        size, minutes = (mean(run[name] for run in runs) for name in ("parameters", "cpu_minutes"))
        print(
            f"| {model} | {loss} | {size:,.0f} | {mae} | {psnr} | {ssim} | {each} | {minutes:.1f} |",
            flush=True,
        )


def of_the_input(sets: Path) -> dict[str, float]:
    """The measures of the test images themselves."""
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        data = instantiate(compose("train", ["experiment=synthetic_ct", f"paths.data={sets}"]).data)
    errors = []
    for case in data.cases("test"):
        sample = data.read(case)
        errors.append(image_errors(sample.image.data, sample.target, data.spec.target.value_range))
    means = np.mean(errors, axis=0).tolist()
    return {**dict(zip(MEASURES, means, strict=True)), "parameters": 0, "cpu_minutes": 0}


def spread(values: Sequence[float], digits: int) -> str:
    """The mean, and the standard deviation over seeds where there are several."""
    found = f"{mean(values):.{digits}f}"
    return f"{found} ± {stdev(values):.{digits}f}" if len(values) > 1 else found


if __name__ == "__main__":
    main()
