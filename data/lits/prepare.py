"""LiTS: list the volumes, and put masks on their image's grid.

    python data/lits/prepare.py LiTS

Raw: ``volume-0.nii`` and ``segmentation-0.nii`` in ``Training Batch 1`` and ``2``, or in one folder. Needs
numpy and nibabel.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import on_grid_of
from data.raw import Raw, Row, command

TREES = {
    "lits": ("Training Batch*/volume-*.nii*", "Training Batch*/segmentation-*.nii*"),
    "lits (one folder)": ("volume-*.nii*", "segmentation-*.nii*"),
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per volume."""
    images, masks = TREES[raw.layout]
    for image in raw.files(images):
        number = image.name.removeprefix("volume-").split(".")[0]
        mask = raw.one(masks.replace("*.nii*", f"{number}.nii*"))
        placed = on_grid_of(image, mask, out / "masks" / f"segmentation-{number}.nii.gz")
        yield Row(image, placed, f"volume-{number}")


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
