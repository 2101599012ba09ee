"""ISPRS Vaihingen: decode the colours of the labels, and list the areas.

    python data/vaihingen/prepare.py ISPRS_Vaihingen

Raw: ``top/top_mosaic_09cm_area1.tif``, the same name in
``ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE`` and, with the ending ``_noBoundary``, in
``..._eroded_COMPLETE``. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import ids_of_colours, save_ids
from data.isprs import COLOURS
from data.raw import Raw, Row, command

TREES = {
    "vaihingen": (
        "**/top/top_mosaic_09cm_area*.tif",
        "**/*ground_truth_COMPLETE/top_mosaic_09cm_area*.tif",
    )
}
TRAIN = {1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per area; test areas with eroded labels where there are some."""
    for image in raw.files(TREES["vaihingen"][0]):
        area = image.stem.removeprefix("top_mosaic_09cm_")
        train = int(area.removeprefix("area")) in TRAIN
        eroded = raw.files(f"**/*ground_truth_eroded_COMPLETE/{image.stem}_noBoundary.tif")
        label = eroded[0] if eroded and not train else raw.one(f"**/*ground_truth_COMPLETE/{image.name}")
        mask = save_ids(out / "masks" / f"{area}.png", ids_of_colours(label, COLOURS))
        yield Row(image, mask, area, "train" if train else "test", area)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
