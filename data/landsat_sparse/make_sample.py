"""A tiny set in the layout of the Landsat example: one scene and its labels, 250 x 250 px as in the real one.

python data/landsat_sparse/make_sample.py /tmp/landsat_sparse
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.landsat_sparse.prepare import LABELS, SCENE
from data.sample import Write, command, placed

BANDS = (*(f"band {i} reflectance" for i in (1, 2, 3, 4, 5, 7)), "band 6 temperature", "Band 8")


def write(out: Path, rng: np.random.Generator) -> None:
    """Fields of 10 px, of which one pixel in twelve is labelled."""
    ids = np.kron(rng.integers(1, 6, (25, 25)), np.ones((10, 10), int))
    shades = rng.uniform(300, 3000, (len(BANDS), 6))
    scene = shades[:, ids] + rng.normal(0, 60, (len(BANDS), *ids.shape))
    labels = np.where(rng.random(ids.shape) < 1 / 12, ids, 0)
    place = placed("EPSG:32615", 462405, 1741815, 30)
    save_tiff(out / SCENE, scene.astype(np.int16), names=BANDS, driver="GTiff", nodata=-9999, **place)
    save_tiff(out / LABELS, labels[None].astype(np.uint8), driver="GTiff", nodata=0, **place)


LAYOUTS: dict[str, Write] = {"landsat_sparse": write}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
