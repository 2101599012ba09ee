"""ACDC: list the labelled phases of each patient.

    python data/acdc/prepare.py ACDC

Raw: ``database/training/patient001/patient001_frame01.nii.gz`` with ``patient001_frame01_gt.nii.gz``, and
``database/testing`` likewise.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {
    "acdc": (
        "training/patient*/patient*_frame[0-9][0-9].nii.gz",
        "training/patient*/patient*_frame[0-9][0-9]_gt.nii.gz",
    )
}
SPLITS = {"training": "train", "testing": "test"}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per labelled phase."""
    for folder, split in SPLITS.items():
        for mask in raw.files(f"{folder}/patient*/patient*_frame[0-9][0-9]_gt.nii.gz"):
            patient = mask.parent.name
            image = raw.one(f"{folder}/{patient}/{mask.name.replace('_gt', '')}")
            yield Row(image, mask, patient, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
