"""A tiny set in the layout of Kvasir-SEG.

python data/kvasir_seg/make_sample.py /tmp/kvasir_seg
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Six frames with JPG masks, which are grey at their edges and not quite grey in their colours."""
    names = []
    for number in range(6):
        polyp = draw(rng, (36, 44), 2)
        names.append(f"cju{number}qkwl35piu0993l0dewei2")
        save(out / "Kvasir-SEG" / "images" / f"{names[-1]}.jpg", paint(rng, polyp), quality=95)
        save(out / "Kvasir-SEG" / "masks" / f"{names[-1]}.jpg", np.stack([polyp * 255] * 3, -1), quality=50)
    (out / "Kvasir-SEG" / "kavsir_bboxes.json").write_text("{}")
    (out / "Kvasir-SEG" / "train.txt").write_text("\n".join(names[:4]) + "\n")
    (out / "Kvasir-SEG" / "val.txt").write_text("\n".join(names[4:]) + "\n")


LAYOUTS: dict[str, Write] = {"kvasir_seg": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
