"""A tiny set in the layout of Inria's aerial image labeling.

python data/inria/make_sample.py /tmp/inria
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.sample import Write, command, draw, paint, placed


def write(out: Path, rng: np.random.Generator) -> None:
    """Three tiles to train on and one to test of each of two cities, and one without labels."""
    folder = out / "AerialImageDataset"
    for city, east in (("austin", 616500.0), ("tyrol-w", 205000.0), ("bloomington", 500000.0)):
        for tile in (1, 6, 7, 36) if city != "bloomington" else (1,):
            place = placed("EPSG:26914", east, 3345000.0 + 99 * tile, 0.3)
            houses = draw(rng, (48, 48), 2)
            image = paint(rng, houses).astype(np.uint8).transpose(2, 0, 1)
            part = "test" if city == "bloomington" else "train"
            save_tiff(folder / part / "images" / f"{city}{tile}.tif", image, **place)
            if part == "train":
                save_tiff(folder / part / "gt" / f"{city}{tile}.tif", houses[None] * np.uint8(255), **place)


LAYOUTS: dict[str, Write] = {"inria": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
