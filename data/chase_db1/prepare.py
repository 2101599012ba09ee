"""CHASE_DB1: make images/, masks/ and splits.json from the raw download, and manifest.csv.

    python data/chase_db1/prepare.py CHASEDB1 --out data/chase_db1

Raw: ``Image_01L.jpg``, ``Image_01L_1stHO.png`` and ``Image_01L_2ndHO.png`` in one folder.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import run, write_splits
from data.raw import Raw

TRAIN = 10  # children 01 to 10, both eyes


def child(name: str) -> str:
    """``Image_01L.jpg`` to ``01``."""
    return Path(name).stem[len("Image_") :][:2]


def convert(source: Path, out: Path) -> None:
    """Copy the pictures, and the first observer's masks under their pictures' names."""
    raw = Raw(source, {"chase_db1": ("Image_*.jpg", "Image_*_1stHO.png")})
    pictures = raw.files("Image_*.jpg")
    for picture in pictures:
        mask = raw.one(f"{picture.stem}_1stHO.png")
        shutil.copyfile(picture, out / "images" / picture.name)
        shutil.copyfile(mask, out / "masks" / picture.name.replace(".jpg", ".png"))
    names = [picture.name for picture in pictures]
    train = [name for name in names if int(child(name)) <= TRAIN]
    write_splits(out, {"train": train, "val": [], "test": [name for name in names if name not in train]})


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", child, convert)


if __name__ == "__main__":
    sys.exit(main())
