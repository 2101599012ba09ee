"""A tiny set in the layout of ISBI 2012.

python data/isbi2012_em/make_sample.py /tmp/isbi2012_em
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint


def write(out: Path, rng: np.random.Generator) -> None:
    """Six sections with labels and two without."""
    out.mkdir(parents=True, exist_ok=True)
    cells = [draw(rng, (40, 40), 2) for _ in range(6)]
    sections = [paint(rng, cell, 1)[..., 0].astype(np.uint8) for cell in cells]
    for name, pages in (
        ("train-volume", sections),
        ("train-labels", [cell * np.uint8(255) for cell in cells]),
        ("test-volume", sections[:2]),
    ):
        first, *others = (Image.fromarray(page) for page in pages)
        first.save(out / f"{name}.tif", save_all=True, append_images=others)


LAYOUTS: dict[str, Write] = {"isbi2012_em": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
