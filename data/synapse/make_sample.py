"""A tiny set in the layouts of Synapse: TransUNet's slices, and BTCV's volumes.

python data/synapse/make_sample.py /tmp/synapse --layout synapse_raw
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import library, save_volume
from data.sample import Write, command, draw, paint


def write_slices(out: Path, rng: np.random.Generator) -> None:
    """Three cases of two slices to train on, two volumes to test, and the lists beside them."""
    h5py = library("h5py")
    folder = out / "data" / "Synapse"
    for kind in ("train_npz", "test_vol_h5"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    names = []
    for case in (5, 6, 7):
        for i in range(2):
            labels = draw(rng, (48, 48), 9)
            names.append(f"case{case:04}_slice{i:03}")
            image = paint(rng, labels, 1, 1.0)[..., 0].astype(np.float32)
            np.savez(folder / "train_npz" / f"{names[-1]}.npz", image=image, label=labels.astype(np.float32))
    for case in (1, 2):
        labels = np.stack([draw(rng, (48, 48), 9) for _ in range(2)])
        with h5py.File(folder / "test_vol_h5" / f"case{case:04}.npy.h5", "w") as file:
            file["image"] = paint(rng, labels, 1, 1.0)[..., 0].astype(np.float32)
            file["label"] = labels.astype(np.float32)
    lists = out / "lists" / "lists_Synapse"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names) + "\n")
    (lists / "test_vol.txt").write_text("case0001\ncase0002\n")


def write_volumes(out: Path, rng: np.random.Generator) -> None:
    """Three volumes to train on and two to test, of all 13 organs."""
    folder, affine = out / "RawData" / "Training", np.diag([-0.8, 0.8, 3.0, 1.0])
    for case in (5, 6, 7, 1, 2):
        labels = draw(rng, (30, 30, 9), 14)
        image = (paint(rng, labels, 1, 2000.0)[..., 0] - 1000).astype(np.int16)
        save_volume(folder / "img" / f"img{case:04}.nii.gz", image, affine)
        save_volume(folder / "label" / f"label{case:04}.nii.gz", labels, affine)


LAYOUTS: dict[str, Write] = {"synapse": write_slices, "synapse_raw": write_volumes}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
