"""A tiny set in the layouts of BraTS.

python data/brats/make_sample.py /tmp/brats --layout brats2023
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_volume
from data.sample import Write, command, draw, paint

OLD, NEW = ("_t1", "_t1ce", "_t2", "_flair"), ("-t1n", "-t1c", "-t2w", "-t2f")


def write(year: int, out: Path, rng: np.random.Generator) -> None:
    """Six cases with labels, one oddly named (2020), two of one patient (2023), and one without labels."""
    ids = np.array([0, 1, 2, 3 if year == 2023 else 4], np.uint8)
    names = {
        2020: [f"BraTS20_Training_{n:03}" for n in (1, 2, 3, 4, 5, 355)] + ["BraTS20_Validation_001"],
        2021: [f"BraTS2021_{n:05}" for n in range(7)],
        2023: [
            f"BraTS-GLI-{n:05}-{t:03}" for n, t in ((0, 0), (0, 1), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0))
        ],
    }
    ending = ".nii" if year == 2020 else ".nii.gz"
    affine = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for name in names[year]:
        labels = draw(rng, (20, 20, 12), 4)
        image = paint(rng, labels, 4, 900.0).astype(np.int16)
        for i, kind in enumerate(NEW if year == 2023 else OLD):
            save_volume(out / name / f"{name}{kind}{ending}", image[..., i], affine)
        mask = "W39_1998.09.19_Segm" if name.endswith("_355") else f"{name}{'-' if year == 2023 else '_'}seg"
        if name != names[year][-1]:
            save_volume(out / name / f"{mask}{ending}", ids[labels], affine)


LAYOUTS: dict[str, Write] = {f"brats{year}": partial(write, year) for year in (2020, 2021, 2023)}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
