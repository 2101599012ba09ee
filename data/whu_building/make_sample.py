"""A tiny set in the layout of WHU building.

python data/whu_building/make_sample.py /tmp/whu_building
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Two tiles of each split, of the same numbers."""
    for split in ("train", "val", "test"):
        for number in range(2):
            houses = draw(rng, (48, 48), 2)
            save(out / split / "image" / f"{number}.tif", paint(rng, houses))
            save(out / split / "label" / f"{number}.tif", houses * 255)


LAYOUTS: dict[str, Write] = {"whu_building": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
