"""2018 Data Science Bowl: make manifest.csv, and before that images/ and masks/ from the raw download.

    python data/dsb2018_nuclei/prepare.py data/dsb2018_nuclei
    python data/dsb2018_nuclei/prepare.py stage1_train --out data/dsb2018_nuclei

Raw: ``stage1_train/<id>/images/<id>.png`` and ``stage1_train/<id>/masks/*.png``, one picture per nucleus.
Where ``stage1_test`` and ``stage1_solution.csv`` lie beside it, they are test, as in the contest. The second
form needs numpy and pillow.
"""

import csv
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.layout import hashed_splits, run, write_splits
from data.raw import Raw


def convert(source: Path, out: Path) -> None:
    """Copy the pictures and merge the masks of their nuclei into one, 0 and 255; instances/ numbers them."""
    from data.arrays import read_grey

    raw = Raw(source, {"dsb2018_nuclei": ("*/images/*.png", "*/masks/*.png")})
    names = []
    for picture in raw.files("*/images/*.png"):
        nuclei = raw.files(f"{picture.stem}/masks/*.png")
        if nuclei:
            save(picture, (read_grey(file) > 0 for file in nuclei), out)
            names.append(picture.name)
    beside = raw.folder.parent
    tested = tuple(save_test(beside, out)) if (beside / "stage1_solution.csv").is_file() else ()
    splits = hashed_splits(names, val=0.1, test=0.0 if tested else 0.2)
    write_splits(out, splits | {"test": sorted(tested)} if tested else splits)


def save_test(folder: Path, out: Path) -> Iterator[str]:
    """The pictures of stage1_test, whose nuclei are runs of pixels in a table; their names."""
    from data.arrays import from_runs, read_grey

    runs = defaultdict(list)
    with open(folder / "stage1_solution.csv", newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if not {"ImageId", "EncodedPixels"} <= set(table.fieldnames or ()):
            raise ValueError(
                f"{file.name} needs the columns ImageId and EncodedPixels; it has {table.fieldnames}"
            )
        for row in table:
            if row.get("Usage") != "Ignored":
                runs[row["ImageId"]].append(row["EncodedPixels"])
    for name, nuclei in runs.items():
        picture = folder / "stage1_test" / name / "images" / f"{name}.png"
        if not picture.is_file():
            raise FileNotFoundError(f"{picture}: no such file, though stage1_solution.csv lists it")
        shape = read_grey(picture).shape
        save(picture, (from_runs(text, shape) for text in nuclei), out)
        yield picture.name


def save(picture: Path, nuclei: "Iterable[np.ndarray]", out: Path) -> None:
    """A picture, its mask, and its nuclei by number."""
    import numpy as np
    from data.arrays import read_grey, save_ids

    shutil.copyfile(picture, out / "images" / picture.name)
    instances = np.zeros(read_grey(picture).shape, np.uint16)
    for number, nucleus in enumerate(nuclei, start=1):
        instances[nucleus] = number
    save_ids(out / "masks" / picture.name, (instances > 0) * 255)
    save_ids(out / "instances" / picture.name, instances)


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    return run(argv, __doc__ or "", lambda name: Path(name).stem, convert)


if __name__ == "__main__":
    sys.exit(main())
