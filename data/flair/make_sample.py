"""A tiny set in the layout of FLAIR.

python data/flair/make_sample.py /tmp/flair
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.sample import Write, command, draw, paint, placed


def write(out: Path, rng: np.random.Generator) -> None:
    """Two patches of each of two domains to train on, one to validate and one to test, of all 19 ids."""
    number = 0
    for domain, part in (
        ("D001_2019", "{}_train"),
        ("D002_2020", "{}_train"),
        ("D004_2021", "{}_train"),
        ("D015_2020", "1_{}_test"),
    ):
        for _ in range(2):
            number += 1
            ids = draw(rng, (50, 50), 19) + 1
            bands = paint(rng, ids, 5).astype(np.uint8).transpose(2, 0, 1)
            place = placed("EPSG:2154", 9e5 + 99 * number, 6.5e6, 0.2)
            for kind, folder, values in (("aerial", "img/IMG", bands), ("labels", "msk/MSK", ids[None])):
                path = out / f"flair_{part.format(kind)}" / domain / "Z1_UA" / f"{folder}_{number:06}.tif"
                save_tiff(path, values, **place)


LAYOUTS: dict[str, Write] = {"flair": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
