"""LEVIR-CD: stack the two dates of each pair, and list them.

    python data/levir_cd/prepare.py LEVIR-CD

Raw: ``{train,val,test}/{A,B,label}/train_1.png``, or ``{A,B,label}/train_1.png`` in one folder; LEVIR-CD+
has no val. Needs numpy, pillow and rasterio.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import read_picture, save_tiff
from data.raw import Raw, Row, command

TREES = {
    "levir_cd": ("train/A/*.png", "train/B/*.png", "train/label/*.png"),
    "levir_cd (flat)": ("A/train_*.png", "B/train_*.png", "label/train_*.png"),
}
BANDS = ("red_before", "green_before", "blue_before", "red_after", "green_after", "blue_after")


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per pair."""
    flat = raw.layout == "levir_cd (flat)"
    for split in ("train", "val", "test"):
        folder = Path() if flat else Path(split)
        for label in raw.files(str(folder / "label" / (f"{split}_*.png" if flat else "*.png"))):
            dates = [read_picture(raw.one(folder / date / label.name))[..., :3] for date in "AB"]
            bands = np.concatenate(dates, axis=-1).transpose(2, 0, 1)
            name = label.stem if label.stem.startswith(split) else f"{split}_{label.stem}"
            yield Row(save_tiff(out / "images" / f"{name}.tif", bands, names=BANDS), label, name, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
