"""A tiny set in the layouts of LandCover.ai.

python data/landcover_ai/make_sample.py /tmp/landcover_ai
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.sample import Write, command, draw, paint, placed, save

TILE = 32


def write(out: Path, rng: np.random.Generator, *, tiles: bool = True) -> None:
    """Four orthophotos of 2 x 2 tiles each, which the authors' lists spread over all splits."""
    names = []
    for number in range(4):
        scene = f"M-33-20-D-c-4-{number}"
        ids = np.block([[draw(rng, (TILE, TILE), 5) for _ in range(2)] for _ in range(2)])
        image = paint(rng, ids).astype(np.uint8)
        place = placed("EPSG:2180", 3e5 + 99 * number, 5e5, 0.5)
        save_tiff(out / "images" / f"{scene}.tif", image.transpose(2, 0, 1), **place)
        save_tiff(out / "masks" / f"{scene}.tif", ids[None], **place)
        for k in range(4):
            y, x = (TILE * i for i in divmod(k, 2))
            at = np.s_[y : y + TILE, x : x + TILE]
            names.append(f"{scene}_{k}")
            if tiles:
                save(out / "output" / f"{names[-1]}.jpg", image[at])
                save(out / "output" / f"{names[-1]}_m.png", np.stack([ids[at]] * 3, axis=-1))
    for split, start in (("train", 0), ("val", 2), ("test", 3)):
        chosen = [name for i, name in enumerate(names) if (i % 4 < 2 if split == "train" else i % 4 == start)]
        (out / f"{split}.txt").write_text("\n".join(chosen) + "\n")


def write_orthophotos(out: Path, rng: np.random.Generator) -> None:
    """The same before split.py."""
    write(out, rng, tiles=False)


LAYOUTS: dict[str, Write] = {"landcover_ai": write, "landcover_ai (orthophotos)": write_orthophotos}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
