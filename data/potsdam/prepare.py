"""ISPRS Potsdam: decode the colours of the labels, and list the tiles.

    python data/potsdam/prepare.py Potsdam

Raw: ``4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif`` or ``2_Ortho_RGB/top_potsdam_2_10_RGB.tif``,
``5_Labels_all/top_potsdam_2_10_label.tif`` and perhaps ``5_Labels_all_noBoundary``. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import ids_of_colours, save_ids
from data.isprs import COLOURS
from data.raw import Raw, Row, command

TREES = {
    "potsdam": ("4_Ortho_RGBIR/top_potsdam_*_RGBIR.tif", "5_Labels_all/top_potsdam_*_label.tif"),
    "potsdam_rgb": ("2_Ortho_RGB/top_potsdam_*_RGB.tif", "5_Labels_all/top_potsdam_*_label.tif"),
}
TEST = {
    *("2_13", "2_14", "3_13", "3_14", "4_13", "4_14", "4_15"),
    *("5_13", "5_14", "5_15", "6_13", "6_14", "6_15", "7_13"),
}
WRONG = {"7_10"}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per tile; test tiles with eroded labels where there are some."""
    for image in raw.files(TREES[raw.layout][0]):
        tile = image.stem.removeprefix("top_potsdam_").rpartition("_")[0]
        if tile in WRONG:
            continue
        test = tile in TEST
        eroded = raw.files(f"5_Labels_all_noBoundary/top_potsdam_{tile}_label_noBoundary.tif")
        label = eroded[0] if eroded and test else raw.one(f"5_Labels_all/top_potsdam_{tile}_label.tif")
        mask = save_ids(out / "masks" / f"{tile}.png", ids_of_colours(label, COLOURS))
        yield Row(image, mask, tile, "test" if test else "train", f"potsdam_{tile}")


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
