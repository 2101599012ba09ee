"""A tiny set in the layouts of CVC-ClinicDB.

python data/cvc_clinicdb/make_sample.py /tmp/cvc_clinicdb
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator, ending: str = "tif") -> None:
    """Two frames of each of four sequences."""
    for number in (1, 2, 26, 27, 51, 52, 592, 612):
        polyp = draw(rng, (36, 48), 2)
        save(out / "Original" / f"{number}.{ending}", paint(rng, polyp))
        save(out / "Ground Truth" / f"{number}.{ending}", polyp * 255)


def write_png(out: Path, rng: np.random.Generator) -> None:
    """The same as some mirrors have it."""
    write(out / "PNG", rng, "png")


LAYOUTS: dict[str, Write] = {"cvc_clinicdb": write, "cvc_clinicdb (PNG)": write_png}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
