"""ISIC 2018, task 1: list the photographs that have an outline.

    python data/isic2018/prepare.py ISIC2018

Raw: ``ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg`` and
``ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png``; likewise ``Validation`` and ``Test``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {
    "isic2018": (
        "ISIC2018_Task1-2_Training_Input/ISIC_*.jpg",
        "ISIC2018_Task1_Training_GroundTruth/ISIC_*_segmentation.png",
    )
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per outline."""
    for part, split in (("Training", "train"), ("Validation", "val"), ("Test", "test")):
        for mask in raw.files(f"ISIC2018_Task1_{part}_GroundTruth/ISIC_*_segmentation.png"):
            name = mask.stem.removesuffix("_segmentation")
            yield Row(raw.one(f"ISIC2018_Task1-2_{part}_Input/{name}.jpg"), mask, name, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
