"""The layout that Massachusetts Roads and Buildings share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from data.arrays import read_picture, save_ids
from data.raw import Raw, Row

TREE = ("train/*.tiff", "train_labels/*.tif", "test/*.tiff", "test_labels/*.tif")


def rows(raw: Raw, out: Path) -> Iterator[Row]:
    """One case per tile; a label is 255 in one band (roads) or in red alone (buildings)."""
    for split in ("train", "val", "test"):
        for image in raw.files(f"{split}/*.tiff"):
            picture = read_picture(raw.one(f"{split}_labels/{image.stem}.tif"))
            ids = np.atleast_3d(picture).max(axis=-1) > 127
            yield Row(image, save_ids(out / "masks" / f"{image.stem}.png", ids), image.stem, split)


def write_sample(out: Path, rng: np.random.Generator, *, red: bool) -> None:
    """Three tiles to train on, one to validate, two to test, with a white margin without data.

    Args:
        red: Labels are colour pictures with the class in red.
    """
    from data.sample import draw, paint, save

    for number, split in enumerate(("train", "train", "train", "val", "test", "test")):
        thing = draw(rng, (48, 48), 2)
        image = paint(rng, thing).astype(np.uint8)
        image[:, 44:] = 255
        thing[:, 44:] = 0
        name = f"{10078660 + 15 * number}_15"
        save(out / "tiff" / split / f"{name}.tiff", image)
        label = thing[..., None] * np.array([255, 0, 0]) if red else thing * 255
        save(out / "tiff" / f"{split}_labels" / f"{name}.tif", label)
