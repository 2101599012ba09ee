"""WHU building: list the tiles.

    python data/whu_building/prepare.py WHU

Raw: ``{train,val,test}/image/1.tif`` and ``label`` of the same names.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {"whu_building": ("train/image/*.tif", "train/label/*.tif", "val/image/*.tif", "test/image/*.tif")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per tile; numbers begin anew in each split."""
    for split in ("train", "val", "test"):
        for image in raw.files(f"{split}/image/*.tif"):
            name = f"{split}_{image.stem}"
            yield Row(image, raw.one(f"{split}/label/{image.name}"), name, split, name)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
