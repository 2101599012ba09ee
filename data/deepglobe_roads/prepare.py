"""DeepGlobe road extraction: list the images that have a mask.

    python data/deepglobe_roads/prepare.py road-train

Raw: ``train/<id>_sat.jpg`` and ``train/<id>_mask.png``; valid and test have no masks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {"deepglobe_roads": ("train/*_sat.jpg", "train/*_mask.png")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per mask."""
    for mask in raw.files("train/*_mask.png"):
        name = mask.stem.removesuffix("_mask")
        yield Row(raw.one(f"train/{name}_sat.jpg"), mask, name, name=name)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
