"""A tiny set in the layout of the 2018 Data Science Bowl.

python data/dsb2018_nuclei/make_sample.py /tmp/dsb2018
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Ten RGBA pictures, each with one mask file per nucleus."""
    for number in range(10):
        name = f"{number:064x}"
        nuclei = draw(rng, (40, 48), 4)
        alpha = np.full((40, 48, 1), 255.0)
        folder = out / "stage1_train" / name
        save(folder / "images" / f"{name}.png", np.concatenate([paint(rng, nuclei > 0), alpha], axis=-1))
        for nucleus in (1, 2, 3):
            save(folder / "masks" / f"{nucleus:064x}.png", (nuclei == nucleus) * np.uint8(255))
    (out / "stage1_train_labels.csv").write_text("ImageId,EncodedPixels\n")


LAYOUTS: dict[str, Write] = {"dsb2018_nuclei": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
