"""Inria aerial image labeling: list the orthophotos that have labels.

    python data/inria/prepare.py AerialImageDataset

Raw: ``train/images/austin1.tif`` and ``train/gt`` of the same names.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {"inria": ("train/images/*.tif", "train/gt/*.tif")}
TEST = range(1, 6)


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per orthophoto."""
    for image in raw.files("train/images/*.tif"):
        number = int(image.stem.lstrip("abcdefghijklmnopqrstuvwxyz-"))
        split = "test" if number in TEST else "train"
        yield Row(image, raw.one(f"train/gt/{image.name}"), image.stem, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
