"""The picture of the README: demo cases, what is wanted, what the exported file answers, the errors.

make demo && python -m benchmarks.picture runs/demo-seed0/model.onnx data/demo_nuclei docs/picture.png
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from unetzoo.inference import Predictor, read_image, read_mask

CASES, GAP, ZOOM = 4, 6, 2


def main(model: str, root: str, target: str) -> None:
    """One row per kind of picture, one column per test case."""
    predictor = Predictor.from_onnx(model)
    with (Path(root) / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"][:CASES]
    columns = []
    for row in rows:
        image = read_image(Path(root) / row["image"])
        wanted = read_mask(Path(root) / row["mask"]) > 0
        found = predictor.predict(image).labels == 1
        grey = np.repeat(_stretch(image.data[:1]), 3, axis=0).transpose(1, 2, 0)
        errors = grey // 3
        errors[wanted & found], errors[found & ~wanted], errors[wanted & ~found] = (
            (70, 170, 90),
            (240, 80, 60),
            (80, 140, 255),
        )
        tiles = [
            grey,
            *(np.where(mask[..., None], (235, 235, 235), (25, 25, 25)) for mask in (wanted, found)),
            errors,
        ]
        columns.append(np.concatenate([_frame(tile.astype(np.uint8)) for tile in tiles]))
    sheet = Image.fromarray(np.concatenate(columns, axis=1))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((sheet.width * ZOOM, sheet.height * ZOOM), Image.Resampling.NEAREST).quantize(128).save(
        target, optimize=True
    )


def _stretch(band: np.ndarray) -> np.ndarray:
    low, high = np.percentile(band, [0.5, 99.5])
    stretched: np.ndarray = np.clip((band - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    return stretched


def _frame(tile: np.ndarray) -> np.ndarray:
    return np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main(*sys.argv[1:])
