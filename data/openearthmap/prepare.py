"""OpenEarthMap: list the images that have labels.

    python data/openearthmap/prepare.py OpenEarthMap_wo_xBD

Raw: ``<region>/images/<region>_1.tif`` and ``<region>/labels`` of the same names, ``{train,val,test}.txt``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command, write_rows

TREES = {"openearthmap": ("*/images/*.tif", "*/labels/*.tif", "train.txt", "val.txt")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per label in a list; the official val is test. Also all of them by region."""
    splits = {Path(name).stem: "train" for name in raw.names("train.txt")}
    splits |= {Path(name).stem: "test" for name in raw.names("val.txt")}
    cases = [
        Row(raw.one(f"{mask.parents[1].name}/images/{mask.name}"), mask, mask.stem, splits[mask.stem])
        for mask in raw.files("*/labels/*.tif")
        if mask.stem in splits
    ]
    regions = (case._replace(group=case.mask.parents[1].name, split="") for case in cases)
    write_rows(out / "manifest_by_region.csv", regions)
    yield from cases


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
