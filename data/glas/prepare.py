"""GlaS: list the pictures by part and patient.

    python data/glas/prepare.py "Warwick QU Dataset (Released 2016_07_08)"

Raw: ``train_1.bmp`` and ``train_1_anno.bmp``, ``testA_1.bmp``, ``testB_1.bmp`` ... and ``Grade.csv``.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command, write_rows

TREES = {"glas": ("train_*_anno.bmp", "testA_*_anno.bmp", "Grade.csv")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per picture; also writes a manifest for each part of test."""
    with open(raw.one("Grade.csv"), newline="", encoding="utf-8-sig") as file:
        patients = {row[0].strip(): row[1].strip() for row in csv.reader(file) if len(row) > 1}
    cases = []
    for mask in raw.files("*_anno.bmp"):
        name = mask.stem.removesuffix("_anno")
        part = name.split("_")[0]
        group = f"{part}-{patients.get(name, name)}"
        cases.append(Row(raw.one(f"{name}.bmp"), mask, group, "train" if part == "train" else "test"))
    for part in ("testA", "testB"):
        if some := [case for case in cases if case.image.name.startswith(part)]:
            write_rows(out / f"manifest_{part}.csv", some)
    yield from cases


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
