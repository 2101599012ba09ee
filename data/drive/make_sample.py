"""A tiny set in the layout of DRIVE.

python data/drive/make_sample.py /tmp/drive
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Three photographs to train on and two to test."""
    y, x = np.mgrid[-1:1:40j, -1:1:36j]
    view = y**2 + x**2 < 0.9
    for number, folder in ((21, "training"), (22, "training"), (23, "training"), (1, "test"), (2, "test")):
        vessels = draw(rng, view.shape, 2) * view
        save(out / folder / "images" / f"{number:02}_{folder}.tif", paint(rng, vessels) * view[..., None])
        save(out / folder / "1st_manual" / f"{number:02}_manual1.gif", vessels * 255)
        save(out / folder / "mask" / f"{number:02}_{folder}_mask.gif", view * 255)


LAYOUTS: dict[str, Write] = {"drive": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
