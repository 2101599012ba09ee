"""A tiny set in the layout of ISIC 2018, task 1.

python data/isic2018/make_sample.py /tmp/isic2018
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Two photographs of each split, of different sizes, and the texts that lie beside them."""
    for first, part in enumerate(("Training", "Validation", "Test")):
        pictures = out / f"ISIC2018_Task1-2_{part}_Input"
        for number in (10 * first, 10 * first + 1):
            lesion = draw(rng, (40, 48 + 8 * (number % 2)), 2)
            name = f"ISIC_{number:07}"
            save(pictures / f"{name}.jpg", paint(rng, lesion))
            save(out / f"ISIC2018_Task1_{part}_GroundTruth" / f"{name}_segmentation.png", lesion * 255)
        (pictures / "LICENSE.txt").write_text("")
        (pictures / "ATTRIBUTION.txt").write_text("")


LAYOUTS: dict[str, Write] = {"isic2018": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
