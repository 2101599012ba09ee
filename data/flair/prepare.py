"""FLAIR: list the patches by domain.

    python data/flair/prepare.py FLAIR

Raw: ``flair_aerial_train/D001_2019/Z1_UA/img/IMG_000001.tif`` and
``flair_labels_train/D001_2019/Z1_UA/msk/MSK_000001.tif``; likewise ``flair_1_aerial_test`` and
``flair_1_labels_test``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {"flair": ("flair_aerial_train/D*/*/img/IMG_*.tif", "flair_labels_train/D*/*/msk/MSK_*.tif")}
VAL = {"D004", "D014", "D029", "D031", "D058", "D066", "D067", "D077"}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per patch that has a mask."""
    test = "flair_1" if raw.files("flair_1_labels_test/D*/*/msk/MSK_*.tif") else "flair_2"
    for part in ("flair_{}_train", f"{test}_{{}}_test"):
        for mask in raw.files(f"{part.format('labels')}/D*/*/msk/MSK_*.tif"):
            zone = mask.parents[1]
            name = mask.name.replace("MSK", "IMG")
            image = raw.one(f"{part.format('aerial')}/{zone.parent.name}/{zone.name}/img/{name}")
            domain = zone.parent.name.split("_")[0]
            split = "test" if part.endswith("test") else "val" if domain in VAL else "train"
            yield Row(image, mask, domain, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
