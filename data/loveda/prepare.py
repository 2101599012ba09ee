"""LoveDA: list the images that have labels.

    python data/loveda/prepare.py LoveDA

Raw: ``{Train,Val}/{Urban,Rural}/images_png/0.png`` and ``masks_png`` of the same names.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {
    "loveda": (
        "Train/*/images_png/*.png",
        "Train/*/masks_png/*.png",
        "Val/*/images_png/*.png",
        "Val/*/masks_png/*.png",
    )
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per image; the official Val is test."""
    for part, split in (("Train", "train"), ("Val", "test")):
        for mask in raw.files(f"{part}/*/masks_png/*.png"):
            area = mask.parents[1].name
            name = f"{area.lower()}_{mask.stem}"
            yield Row(raw.one(f"{part}/{area}/images_png/{mask.name}"), mask, name, split, name)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
