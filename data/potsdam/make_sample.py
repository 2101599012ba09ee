"""A tiny set in the layouts of ISPRS Potsdam.

python data/potsdam/make_sample.py /tmp/potsdam
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import save_tiff
from data.isprs import COLOURS, erode
from data.sample import Write, command, draw, paint, save


def write(out: Path, rng: np.random.Generator, folder: str = "4_Ortho_RGBIR") -> None:
    """Three tiles to train on, one of wrong labels and two to test; near infrared is 0 in places."""
    palette = np.array(list(COLOURS), np.uint8)
    kind = folder.rpartition("_")[2]
    for tile in ("2_10", "3_10", "6_7", "7_10", "2_13", "5_15"):
        ids = draw(rng, (48, 48), 6)
        bands = paint(rng, ids, len(kind) - (kind == "RGBIR")).astype(np.uint8).transpose(2, 0, 1)
        bands[3:, :6] = 0
        save_tiff(out / folder / f"top_potsdam_{tile}_{kind}.tif", bands)
        save(out / "5_Labels_all" / f"top_potsdam_{tile}_label.tif", palette[ids])
        eroded = erode(palette[ids])
        save(out / "5_Labels_all_noBoundary" / f"top_potsdam_{tile}_label_noBoundary.tif", eroded)


def write_rgb(out: Path, rng: np.random.Generator) -> None:
    """The same without near infrared."""
    write(out, rng, "2_Ortho_RGB")


LAYOUTS: dict[str, Write] = {"potsdam": write, "potsdam_rgb": write_rgb}
main = command(__doc__, LAYOUTS)

if __name__ == "__main__":
    sys.exit(main())
