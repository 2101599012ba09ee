"""2018 Data Science Bowl: make manifest.csv, and before that images/ and masks/ from the raw download.

    python data/dsb2018_nuclei/prepare.py data/dsb2018_nuclei
    python data/dsb2018_nuclei/prepare.py stage1_train --out data/dsb2018_nuclei

Raw: ``stage1_train/<id>/images/<id>.png`` and ``stage1_train/<id>/masks/*.png``, one picture per nucleus. The
second form needs numpy and pillow.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import hashed_splits, run, write_splits
from data.raw import Raw


def convert(source: Path, out: Path) -> None:
    """Copy the pictures and merge the masks of their nuclei into one, 0 and 255; instances/ numbers them."""
    import numpy as np
    from data.arrays import read_grey, save_ids

    raw = Raw(source, {"dsb2018_nuclei": ("*/images/*.png", "*/masks/*.png")})
    names = []
    for picture in raw.files("*/images/*.png"):
        nuclei = raw.files(f"{picture.stem}/masks/*.png")
        if not nuclei:  # stage1_test
            continue
        names.append(picture.name)
        shutil.copyfile(picture, out / "images" / picture.name)
        instances = np.zeros(read_grey(picture).shape, np.uint16)
        for number, file in enumerate(nuclei, start=1):
            instances[read_grey(file) > 0] = number
        save_ids(out / "masks" / picture.name, (instances > 0) * 255)
        save_ids(out / "instances" / picture.name, instances)
    write_splits(out, hashed_splits(names, val=0.1, test=0.2))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: Path(name).stem, convert)


if __name__ == "__main__":
    sys.exit(main())
