"""A tiny set in the layouts of ACDC.

python data/acdc/make_sample.py /tmp/acdc
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import library, save_volume
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


def write_slices(out: Path, rng: np.random.Generator) -> None:
    """Two slices of each of six patients, as h5."""
    h5py = library("h5py")
    (out / "ACDC_training_slices").mkdir(parents=True)
    for patient in range(1, 7):
        for number in (1, 2):
            labels = draw(rng, (40, 36), 4)
            name = f"patient{patient:03}_frame01_slice_{number}.h5"
            with h5py.File(out / "ACDC_training_slices" / name, "w") as file:
                file["image"] = paint(rng, labels, 1, 1.0)[..., 0].astype(np.float32)
                file["label"] = labels


LAYOUTS: dict[str, Write] = {"acdc": write, "acdc_slices": write_slices}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
