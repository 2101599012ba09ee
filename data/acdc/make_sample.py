"""A tiny set in the layout of ACDC.

python data/acdc/make_sample.py /tmp/acdc
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_volume
from data.sample import Write, command, draw, paint


def write(out: Path, rng: np.random.Generator) -> None:
    """Three patients to train on and one to test, two phases each, and the whole film of the first."""
    affine = np.diag([-1.5, -1.5, 10.0, 1.0])
    for number, split in ((1, "training"), (2, "training"), (3, "training"), (101, "testing")):
        patient = f"patient{number:03}"
        folder = out / "database" / split / patient
        for frame in (1, 12):
            labels = draw(rng, (24, 20, 6), 4)
            image = paint(rng, labels, 1, 400.0)[..., 0].astype(np.int16)
            save_volume(folder / f"{patient}_frame{frame:02}.nii.gz", image, affine)
            save_volume(folder / f"{patient}_frame{frame:02}_gt.nii.gz", labels, affine)
        (folder / "Info.cfg").write_text(
            "ED: 1\nES: 12\nGroup: NOR\nHeight: 170.0\nNbFrame: 2\nWeight: 70.0\n"
        )
    save_volume(out / "database/training/patient001/patient001_4d.nii.gz", np.stack([image] * 2, -1), affine)


LAYOUTS: dict[str, Write] = {"acdc": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
