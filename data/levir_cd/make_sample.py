"""A tiny set in the layouts of LEVIR-CD.

python data/levir_cd/make_sample.py /tmp/levir_cd
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator, *, flat: bool = False) -> None:
    """Three pairs to train on, one to validate, two to test."""
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for number in range(1, count + 1):
            new = draw(rng, (48, 48), 2)
            folder = out if flat else out / split
            name = f"{split}_{number}.png" if flat else f"{number}.png"
            for date, scene in (("A", new * 0), ("B", new)):
                save(folder / date / name, paint(rng, scene))
            save(folder / "label" / name, new * 255)


def write_flat(out: Path, rng: np.random.Generator) -> None:
    """The same in one folder."""
    write(out, rng, flat=True)


LAYOUTS: dict[str, Write] = {"levir_cd": write, "levir_cd (flat)": write_flat}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
