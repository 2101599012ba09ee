"""A tiny set in the layout of GlaS.

python data/glas/make_sample.py /tmp/glas
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Four pictures of two patients to train on, two in each test, with numbered glands."""
    folder = out / "Warwick QU Dataset (Released 2016_07_08)"
    table = ["name, patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)"]
    for part, count in (("train", 4), ("testA", 2), ("testB", 2)):
        for number in range(1, count + 1):
            glands = draw(rng, (40, 48), 4)
            save(folder / f"{part}_{number}.bmp", paint(rng, glands > 0))
            save(folder / f"{part}_{number}_anno.bmp", glands)
            table.append(f"{part}_{number}, {number % 2 + 1}, benign, healthy")
    (folder / "Grade.csv").write_text("\n".join(table) + "\n")


LAYOUTS: dict[str, Write] = {"glas": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
