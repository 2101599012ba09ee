"""ISBI 2012: write each section of the stacks as a picture, and list them.

    python data/isbi2012_em/prepare.py ISBI2012

Raw: ``train-volume.tif``, ``train-labels.tif`` and perhaps ``test-volume.tif``. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import read_pages, save_ids
from data.raw import Raw, Row, command

TREES = {"isbi2012_em": ("train-volume.tif", "train-labels.tif")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per section; neighbours are alike, so splits are blocks."""
    sections, labels = (read_pages(raw.one(f"train-{kind}.tif")) for kind in ("volume", "labels"))
    for i, (section, ids) in enumerate(zip(sections, labels, strict=True)):
        name = f"section{i:02}.png"
        place = i / len(sections)
        split = "train" if place < 2 / 3 else "val" if place < 4 / 5 else "test"
        image, mask = save_ids(out / "images" / name, section), save_ids(out / "masks" / name, ids)
        yield Row(image, mask, split, split)
    if test := raw.files("test-volume.tif"):
        for i, section in enumerate(read_pages(test[0])):
            save_ids(out / "unlabelled" / f"section{i:02}.png", section)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
