"""iSAID: decode the colours of the semantic masks, and list the images.

    python data/isaid/prepare.py iSAID

Raw: ``train/images/images/P0000.png`` (DOTA's images) and, somewhere below ``train/Semantic_masks``,
``P0000_instance_color_RGB.png``; likewise ``val``. Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import ids_of_colours, save_ids
from data.raw import Raw, Row, command

TREES = {
    "isaid": (
        "train/images/**/P*.png",
        "train/Semantic_masks/**/P*_instance_color_RGB.png",
        "val/images/**/P*.png",
        "val/Semantic_masks/**/P*_instance_color_RGB.png",
    )
}
COLOURS = dict(
    zip(
        (
            *((0, 0, 0), (0, 0, 63), (0, 63, 63), (0, 63, 0), (0, 63, 127), (0, 63, 191), (0, 63, 255)),
            *((0, 127, 63), (0, 127, 127), (0, 0, 127), (0, 0, 191), (0, 0, 255), (0, 191, 127)),
            *((0, 127, 191), (0, 127, 255), (0, 100, 155)),
        ),
        range(16),
        strict=True,
    )
)


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per image; the official val is test."""
    for part, split in (("train", "train"), ("val", "test")):
        for label in raw.files(f"{part}/Semantic_masks/**/P*_instance_color_RGB.png"):
            name = label.name.split("_")[0]
            mask = save_ids(out / "masks" / f"{name}.png", ids_of_colours(label, COLOURS))
            yield Row(raw.one(f"{part}/images/**/{name}.png"), mask, name, split)


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
