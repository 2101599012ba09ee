"""A tiny set in the layouts of DeepGlobe land cover.

python data/deepglobe_land_cover/make_sample.py /tmp/deepglobe_land_cover
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.sample import Write, command, draw, paint, save

COLOURS = np.array(
    [[0, 255, 255], [255, 255, 0], [255, 0, 255], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]],
    np.uint8,
)


def write(out: Path, rng: np.random.Generator, parts: tuple[str, ...] = ("train/", "train/")) -> None:
    """Six images with masks of all colours, some of them smeared."""
    for number in range(6):
        ids = draw(rng, (48, 48), 7)
        colours = COLOURS[ids]
        colours[:2] ^= 3
        part = parts[number // 4]
        save(out / f"{part}" / f"{119 + number}_sat.jpg", paint(rng, ids))
        save(out / f"{part.replace('images', 'masks')}" / f"{119 + number}_mask.png", colours)


def write_copy(out: Path, rng: np.random.Generator) -> None:
    """The same as TorchGeo has it."""
    write(out / "data", rng, ("training_data/images", "test_data/images"))


LAYOUTS: dict[str, Write] = {"deepglobe_land_cover": write, "deepglobe_land_cover (TorchGeo)": write_copy}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
