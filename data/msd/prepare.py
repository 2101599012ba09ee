"""Medical Segmentation Decathlon: list the volumes of a task that have labels.

    python data/msd/prepare.py Task09_Spleen

Raw: ``imagesTr/spleen_2.nii.gz``, ``labelsTr`` of the same names, beside ``._*`` left by macOS, and
``imagesTs`` without labels.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

PREFIXES = {
    "msd_brain_tumour": "BRATS",
    "msd_heart": "la",
    "msd_liver": "liver",
    "msd_hippocampus": "hippocampus",
    "msd_prostate": "prostate",
    "msd_lung": "lung",
    "msd_pancreas": "pancreas",
    "msd_hepatic_vessel": "hepaticvessel",
    "msd_spleen": "spleen",
    "msd_colon": "colon",
}
TREES = {name: (f"imagesTr/{p}_*.nii.gz", f"labelsTr/{p}_*.nii.gz") for name, p in PREFIXES.items()}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per volume."""
    for mask in raw.files(TREES[raw.layout][1]):
        yield Row(raw.one(f"imagesTr/{mask.name}"), mask, mask.name.removesuffix(".nii.gz"))


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
