"""Landsat with sparse labels: cut the scene into tiles, split by blocks of ground.

    python data/landsat_sparse/prepare.py open-geo-tutorial/example

Raw: ``LE70220491999322EDC01_stack.gtif`` and ``training_data.gtif``, the polygons on its grid. Tiles and
split are those of ``split.csv``, which `unetzoo data split` made of ``scene.csv`` (command in README.md).
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command, write_rows

SCENE, LABELS = "LE70220491999322EDC01_stack.gtif", "training_data.gtif"
TREES = {
    "landsat_sparse": (SCENE, LABELS),
    "landsat_sparse (sorted)": (f"images/{SCENE}", f"masks/{LABELS}"),
}
SPLIT = Path(__file__).with_name("split.csv")


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per tile with a label that is not too near to another split."""
    image, mask = (raw.one(raw.files(f"**/{name}")[0]) for name in (SCENE, LABELS))
    write_rows(out / "scene.csv", [Row(image, mask, "scene")])
    with open(SPLIT, newline="", encoding="utf-8") as file:
        for tile in csv.DictReader(file):
            yield Row(image, mask, tile["group"], tile["split"], tile["name"], tile["window"])


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
