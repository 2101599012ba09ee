"""DRIVE: join the masks of vessels and field of view, and list the photographs.

    python data/drive/prepare.py DRIVE

Raw: ``training/images/21_training.tif``, ``training/1st_manual/21_manual1.gif``,
``training/mask/21_training_mask.gif``, and the same for ``test``, whose ``1st_manual`` newer downloads
lack. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import read_grey, save_ids
from data.raw import Raw, Row, command

TREES = {
    "drive": (
        "training/images/*_training.tif",
        "training/1st_manual/*_manual1.gif",
        "training/mask/*_training_mask.gif",
    )
}
OUTSIDE = 255


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per photograph with labels."""
    for folder, split in (("training", "train"), ("test", "test")):
        for manual in raw.files(f"{folder}/1st_manual/*_manual1.gif"):
            number = manual.name.split("_")[0]
            image = raw.one(f"{folder}/images/{number}_{folder}.tif")
            view = read_grey(raw.one(f"{folder}/mask/{number}_{folder}_mask.gif")) > 0
            ids = (read_grey(manual) > 0).astype("uint8")
            ids[~view] = OUTSIDE
            yield Row(image, save_ids(out / "masks" / f"{image.stem}.png", ids), number, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
