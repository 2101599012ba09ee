"""LandCover.ai: list the tiles that the authors' split.py has cut, or the orthophotos.

    python data/landcover_ai/prepare.py landcover.ai.v1

Raw: ``images/M-33-20-D-c-4-2.tif`` and ``masks`` of the same names, ``{train,val,test}.txt`` and, after
``python split.py``, ``output/M-33-20-D-c-4-2_0.jpg`` with ``..._0_m.png``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from data.raw import Raw, Row, command, write_rows

TREES = {
    "landcover_ai": ("output/*.jpg", "output/*_m.png", "train.txt", "val.txt", "test.txt"),
    "landcover_ai (orthophotos)": ("images/*.tif", "masks/*.tif"),
}


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per tile with the authors' splits, or per orthophoto; also the tiles by orthophoto."""
    if raw.layout == "landcover_ai (orthophotos)":
        for image in raw.files("images/*.tif"):
            yield Row(image, raw.one(f"masks/{image.name}"), image.stem)
        return
    tiles = [
        Row(raw.one(f"output/{name}.jpg"), raw.one(f"output/{name}_m.png"), name, split)
        for split in ("train", "val", "test")
        for name in raw.names(f"{split}.txt")
    ]
    scenes = (tile._replace(group=tile.image.stem.rpartition("_")[0], split="") for tile in tiles)
    write_rows(out / "manifest_by_scene.csv", scenes)
    yield from tiles


main = command(__file__, __doc__, TREES, rows)

if __name__ == "__main__":
    sys.exit(main())
