"""CVC-ClinicDB: list the frames with their sequences.

    python data/cvc_clinicdb/prepare.py CVC-ClinicDB

Raw: ``Original/1.tif`` and ``Ground Truth/1.tif``, or PNG in mirrors, some with ``metadata.csv``.
"""

import csv
import sys
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command

TREES = {
    "cvc_clinicdb": ("Original/*.tif", "Ground Truth/*.tif"),
    "cvc_clinicdb (PNG)": ("Original/*.png", "Ground Truth/*.png"),
}
FIRST = (  # frame of each of the 29 sequences
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298),
    *(318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592),
)


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per frame, by its number."""
    sequences = {}
    if tables := raw.files("metadata.csv") or raw.files("../metadata.csv"):
        with open(tables[0], newline="", encoding="utf-8-sig") as file:
            sequences = {row["frame_id"]: row["sequence_id"] for row in csv.DictReader(file)}
    pictures = raw.files(TREES[raw.layout][0])
    for image in sorted(pictures, key=lambda path: int(path.stem)):
        sequence = sequences.get(image.stem) or str(bisect(FIRST, int(image.stem)))
        yield Row(image, raw.one(f"Ground Truth/{image.name}"), f"sequence{sequence}")


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
