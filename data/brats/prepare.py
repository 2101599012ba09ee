"""BraTS: stack the four kinds of MRI of each case, and list them.

    python data/brats/prepare.py BraTS2021_Training_Data

Raw: a folder per case, ``BraTS20_Training_001/BraTS20_Training_001_{flair,t1,t1ce,t2,seg}.nii``,
``BraTS2021_00000/BraTS2021_00000_{...}.nii.gz``, or, from 2023 on,
``BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz``. Needs numpy and nibabel.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import stack_volumes
from data.raw import Raw, Row, command

TREES = {
    "brats2020": ("BraTS20_*/BraTS20_*_flair.nii*", "BraTS20_*/BraTS20_*_seg.nii*"),
    "brats2021": ("BraTS2021_*/BraTS2021_*_flair.nii.gz", "BraTS2021_*/BraTS2021_*_seg.nii.gz"),
    "brats2023": ("BraTS-*-*-*/BraTS-*-t2f.nii.gz", "BraTS-*-*-*/BraTS-*-seg.nii.gz"),
}
KINDS = ("t1", "t1ce", "t2", "flair")
KINDS_2023 = ("t1n", "t1c", "t2w", "t2f")


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per patient, or per time point."""
    new = raw.layout == "brats2023"
    for last in raw.files(TREES[raw.layout][0]):
        case = last.parent.name
        kinds = [
            raw.one(f"{case}/{case}{'-' if new else '_'}{k}.nii*") for k in (KINDS_2023 if new else KINDS)
        ]
        # the mask of BraTS20_Training_355 is called W39_1998.09.19_Segm.nii
        masks = raw.files(f"{case}/*seg.nii*") or raw.files(f"{case}/*Segm.nii*")
        stacked = stack_volumes(out / ("images" if masks else "unlabelled") / f"{case}.nii.gz", kinds)
        if masks:
            yield Row(stacked, masks[0], case.rpartition("-")[0] if new else case)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
