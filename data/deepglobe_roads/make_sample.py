"""A tiny set in the layout of DeepGlobe road extraction.

python data/deepglobe_roads/make_sample.py /tmp/deepglobe_roads
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Six images with masks, whose edges are grey, and one without."""
    for number in range(6):
        road = draw(rng, (48, 48), 2)
        grey = road * 255 + np.roll(road, 1, axis=0) * (1 - road) * 60
        save(out / "train" / f"{100034 + number}_sat.jpg", paint(rng, road))
        save(out / "train" / f"{100034 + number}_mask.png", np.stack([grey] * 3, axis=-1))
    save(out / "valid" / "100040_sat.jpg", paint(rng, road))


LAYOUTS: dict[str, Write] = {"deepglobe_roads": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
