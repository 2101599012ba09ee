"""ACDC: list the labelled phases of each patient, or write the slices that others cut as TIFF.

    python data/acdc/prepare.py ACDC

Raw: ``database/training/patient001/patient001_frame01.nii.gz`` with ``patient001_frame01_gt.nii.gz``, and
``database/testing`` likewise; or ``ACDC_training_slices/patient001_frame01_slice_1.h5`` with the data
sets image and label, which needs numpy, pillow, rasterio and h5py.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import library, save_slice
from data.raw import Raw, Row, command

TREES = {
    "acdc": (
        "training/patient*/patient*_frame[0-9][0-9].nii.gz",
        "training/patient*/patient*_frame[0-9][0-9]_gt.nii.gz",
    ),
    "acdc_slices": ("ACDC_training_slices/patient*_frame*_slice_*.h5",),
}
SPLITS = {"training": "train", "testing": "test"}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per labelled phase, or per slice."""
    if raw.layout == "acdc_slices":
        h5py = library("h5py")
        for file in raw.files(TREES["acdc_slices"][0]):
            with h5py.File(file) as arrays:
                slice_ = save_slice(out, file.stem, arrays["image"][:], arrays["label"][:])
            yield Row(*slice_, file.stem.split("_")[0])
    for folder, split in SPLITS.items():
        for mask in raw.files(f"{folder}/patient*/patient*_frame[0-9][0-9]_gt.nii.gz"):
            patient = mask.parent.name
            image = raw.one(f"{folder}/{patient}/{mask.name.replace('_gt', '')}")
            yield Row(image, mask, patient, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
