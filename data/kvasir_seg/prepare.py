"""Kvasir-SEG: cut the smeared masks, and list the frames.

    python data/kvasir_seg/prepare.py Kvasir-SEG

Raw: ``images/<id>.jpg``, ``masks/<id>.jpg`` and perhaps the authors' lists ``train.txt`` and ``val.txt``.
Needs numpy and pillow.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.arrays import read_grey, save_ids
from data.raw import Raw, Row, command

TREES = {"kvasir_seg": ("images/*.jpg", "masks/*.jpg")}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per frame."""
    splits: dict[str, str] = {}
    for part, split in (("train", "train"), ("val", "test")):
        if raw.files(f"{part}.txt"):
            splits |= {Path(name).stem: split for name in raw.names(f"{part}.txt")}
    for image in raw.files("images/*.jpg"):
        ids = read_grey(raw.one(f"masks/{image.name}")) > 127
        mask = save_ids(out / "masks" / f"{image.stem}.png", ids)
        yield Row(image, mask, image.stem, splits.get(image.stem, ""))


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
