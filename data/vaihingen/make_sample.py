"""A tiny set in the layout of ISPRS Vaihingen.

python data/vaihingen/make_sample.py /tmp/vaihingen
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.isprs import COLOURS, erode
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator) -> None:
    """Three areas to train on and two to test."""
    palette = np.array(list(COLOURS), np.uint8)
    labels = out / "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE"
    eroded = out / "ISPRS_semantic_labeling_Vaihingen_ground_truth_eroded_COMPLETE"
    for area in (1, 3, 5, 2, 4):
        ids = draw(rng, (48, 40), 6)
        name = f"top_mosaic_09cm_area{area}"
        image = paint(rng, ids).astype(np.uint8).transpose(2, 0, 1)
        save_tiff(out / "top" / f"{name}.tif", image)
        save(labels / f"{name}.tif", palette[ids])
        save(eroded / f"{name}_noBoundary.tif", erode(palette[ids]))


LAYOUTS: dict[str, Write] = {"vaihingen": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
