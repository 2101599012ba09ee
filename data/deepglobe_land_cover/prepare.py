"""DeepGlobe land cover: decode the colours of the masks, and list the images that have one.

    python data/deepglobe_land_cover/prepare.py land-train

Raw: ``train/<id>_sat.jpg`` and ``train/<id>_mask.png``, or TorchGeo's
``data/{training_data,test_data}/{images,masks}``. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import ids_of_colours, save_ids
from data.raw import Raw, Row, command

TREES = {
    "deepglobe_land_cover": ("train/*_sat.jpg", "train/*_mask.png"),
    "deepglobe_land_cover (TorchGeo)": ("training_data/images/*_sat.jpg", "training_data/masks/*_mask.png"),
}
COLOURS = {
    (0, 255, 255): 0,  # urban
    (255, 255, 0): 1,  # agriculture
    (255, 0, 255): 2,  # rangeland
    (0, 255, 0): 3,  # forest
    (0, 0, 255): 4,  # water
    (255, 255, 255): 5,  # barren
    (0, 0, 0): 255,  # unknown
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per mask."""
    copied = raw.layout.endswith("(TorchGeo)")
    parts = {"training_data/masks": "train", "test_data/masks": "test"} if copied else {"train": ""}
    for part, split in parts.items():
        for label in raw.files(f"{part}/*_mask.png"):
            name = label.stem.removesuffix("_mask")
            mask = save_ids(out / "masks" / f"{name}.png", ids_of_colours(label, COLOURS))
            yield Row(raw.one(f"{part.replace('masks', 'images')}/{name}_sat.jpg"), mask, name, split, name)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
