"""A tiny set in the layout of LoveDA.

python data/loveda/make_sample.py /tmp/loveda
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Images of two kinds of area in Train and Val, with a corner without data; Test without masks."""
    number = 0
    for part, count in (("Train", 2), ("Val", 1), ("Test", 1)):
        for area in ("Rural", "Urban"):
            for _ in range(count):
                ids = draw(rng, (48, 48), 7) + 1
                ids[:3, :3] = 0
                save(out / part / area / "images_png" / f"{number}.png", paint(rng, ids))
                if part != "Test":
                    save(out / part / area / "masks_png" / f"{number}.png", ids)
                number += 1


LAYOUTS: dict[str, Write] = {"loveda": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
