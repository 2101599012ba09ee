"""A tiny set in the layout of OpenEarthMap.

python data/openearthmap/make_sample.py /tmp/openearthmap
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.sample import Write, command, draw, paint, placed


def write(out: Path, rng: np.random.Generator) -> None:
    """Four images of each of three regions, one of them for val, one for test without labels."""
    folder = out / "OpenEarthMap_wo_xBD"
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": ["elsewhere_1.tif"]}
    for i, region in enumerate(("aachen", "accra", "zanzibar")):
        for number, split in enumerate(("train", "train", "val", "test"), start=1):
            ids = draw(rng, (48, 48), 9)
            place = placed("EPSG:4326", 6.0 + i, 50.0 + number, 3e-6)
            name = f"{region}_{number}.tif"
            image = paint(rng, ids).astype(np.uint8).transpose(2, 0, 1)
            save_tiff(folder / region / "images" / name, image, **place)
            if split != "test":
                save_tiff(folder / region / "labels" / name, ids[None], **place)
            lists[split].append(name)
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")


LAYOUTS: dict[str, Write] = {"openearthmap": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
