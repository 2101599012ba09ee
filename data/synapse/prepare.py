"""Synapse: write TransUNet's slices as TIFF, or list the raw volumes of BTCV.

    python data/synapse/prepare.py data/Synapse
    python data/synapse/prepare.py RawData

Raw: ``train_npz/case0005_slice000.npz`` with the arrays image and label, and ``test_vol_h5/case0001.npy.h5``
with the data sets of these names; or BTCV's ``Training/img/img0001.nii.gz`` and
``Training/label/label0001.nii.gz``. The first needs numpy, pillow, rasterio and h5py.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import library, save_slice
from data.raw import Raw, Row, command

TREES = {
    "synapse": ("train_npz/case*_slice*.npz", "test_vol_h5/case*.npy.h5"),
    "synapse_raw": ("img/img*.nii.gz", "label/label*.nii.gz"),
}
TEST = {1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per slice, or per volume."""
    if raw.layout == "synapse_raw":
        yield from _volumes(raw)
        return
    for file in raw.files("train_npz/*.npz"):
        with np.load(file) as arrays:
            yield _slice(out, file.stem, arrays["image"], arrays["label"], "train")
    h5py = library("h5py")
    for file in raw.files("test_vol_h5/*.h5"):
        with h5py.File(file) as arrays:
            for i in range(len(arrays["image"])):
                name = f"{file.name.split('.')[0]}_slice{i:03}"
                yield _slice(out, name, arrays["image"][i], arrays["label"][i], "test")


def _slice(out: Path, name: str, image: np.ndarray, label: np.ndarray, split: str) -> Row:
    return Row(*save_slice(out, name, image, label), name.split("_")[0], split)


def _volumes(raw: Raw) -> Iterator[Row]:
    for image in raw.files("img/img*.nii.gz"):
        number = image.name.removeprefix("img").split(".")[0]
        split = "test" if int(number) in TEST else "train"
        yield Row(image, raw.one(f"label/label{number}.nii.gz"), f"case{number}", split, f"case{number}")


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
