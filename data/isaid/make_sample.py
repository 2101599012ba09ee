"""A tiny set in the layout of iSAID.

python data/isaid/make_sample.py /tmp/isaid
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save

COLOURS = np.array(
    [
        *[
            [0, 0, 0],
            [0, 0, 63],
            [0, 63, 63],
            [0, 63, 0],
            [0, 63, 127],
            [0, 63, 191],
            [0, 63, 255],
            [0, 127, 63],
        ],
        *[[0, 127, 127], [0, 0, 127], [0, 0, 191], [0, 0, 255], [0, 191, 127], [0, 127, 191], [0, 127, 255]],
        [0, 100, 155],
    ],
    np.uint8,
)


def write(out: Path, rng: np.random.Generator) -> None:
    """Three images to train on and two to validate, of different sizes, with all classes."""
    for number, part in enumerate(("train", "train", "train", "val", "val")):
        ids = draw(rng, (48 + 8 * (number % 2), 56), 16)
        save(out / "iSAID" / part / "images" / "images" / f"P{number:04}.png", paint(rng, ids))
        masks = out / "iSAID" / part / "Semantic_masks" / "images" / "images"
        save(masks / f"P{number:04}_instance_color_RGB.png", COLOURS[ids])


LAYOUTS: dict[str, Write] = {"isaid": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
