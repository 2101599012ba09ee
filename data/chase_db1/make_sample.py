"""A tiny set in the layout of CHASE_DB1.

python data/chase_db1/make_sample.py /tmp/chase_db1
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Both eyes of three children to train on and of one to test, with 1-bit masks of two observers."""
    for child in (1, 2, 3, 11):
        for eye in "LR":
            vessels = draw(rng, (40, 44), 2)
            name = f"Image_{child:02}{eye}"
            save(out / f"{name}.jpg", paint(rng, vessels))
            save(out / f"{name}_1stHO.png", vessels > 0)
            save(out / f"{name}_2ndHO.png", np.roll(vessels, 1) > 0)


LAYOUTS: dict[str, Write] = {"chase_db1": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
