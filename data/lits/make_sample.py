"""A tiny set in the layouts of LiTS.

python data/lits/make_sample.py /tmp/lits
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_volume
from data.sample import Write, command, draw, paint


def write(out: Path, rng: np.random.Generator, batches: tuple[str, str] = ("", "")) -> None:
    """Six volumes; the mask of one has a flipped affine, as in the set."""
    affine = np.array([[0.7, 0, 0, -9], [0, 0.7, 0, -9], [0, 0, 2.5, 0], [0, 0, 0, 1.0]])
    for number in range(6):
        labels = draw(rng, (24, 20, 10), 3)
        image = (paint(rng, labels, 1, 400.0)[..., 0] - 150).astype(np.int16)
        place = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine if number == 3 else affine
        folder = out / batches[number % 2]
        save_volume(folder / f"volume-{number}.nii", image, affine)
        save_volume(folder / f"segmentation-{number}.nii", labels, place)


def write_batches(out: Path, rng: np.random.Generator) -> None:
    """The same in the two folders of the download."""
    write(out, rng, ("Training Batch 1", "Training Batch 2"))


LAYOUTS: dict[str, Write] = {"lits": write_batches, "lits (one folder)": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
