"""Making tiny sets in the layouts of public ones: what all make_sample.py share. Needs numpy and Pillow."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from data.layout import refused
from data.raw import Main

Write = Callable[[Path, np.random.Generator], None]
"""Writes a sample into a folder."""


def command(about: str | None, layouts: Mapping[str, Write]) -> Main:
    """The ``main`` of a make_sample.py: ``OUT [--layout NAME] [--seed N]``.

    Args:
        layouts: Named as in prepare.py; the first is the default.
    """

    def main(argv: Sequence[str] | None = None, /) -> int:
        parser = argparse.ArgumentParser(
            description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("out", type=Path, help="folder to write the sample into")
        parser.add_argument("--layout", choices=list(layouts), default=next(iter(layouts)))
        parser.add_argument("--seed", type=int, default=0)
        arguments = parser.parse_args(argv)
        with refused() as failed:
            layouts[arguments.layout](arguments.out, np.random.default_rng(arguments.seed))
            print(f"wrote {arguments.out}")
        return 2 if failed else 0

    return main


def draw(rng: np.random.Generator, size: Sequence[int], classes: int) -> np.ndarray:
    """A label map: class 0 with a box or more of every other class, the later above the earlier."""
    labels = np.zeros(size, np.uint8)
    for number in range(1, classes):
        # a cell of its own for every class, so that none is hidden
        cells = max(1, round((classes - 1) ** (1 / len(size)) + 0.49))
        cell = np.unravel_index(number - 1, [cells] * len(size))
        box = []
        for n, c in zip(size, cell, strict=True):
            edge = n // cells
            length = max(1, int(edge * rng.uniform(0.5, 0.9)))
            start = int(c) * edge + int(rng.integers(0, edge - length + 1))
            box.append(slice(start, start + length))
        labels[tuple(box)] = number
    return labels


def paint(rng: np.random.Generator, labels: np.ndarray, bands: int = 3, top: float = 255.0) -> np.ndarray:
    """An image (*size, bands) in which every class has its own noisy shade, from 0 to `top`."""
    labels = np.asarray(labels, np.uint8)
    count = int(labels.max()) + 1
    shades = np.random.default_rng(7).permuted(np.tile(np.linspace(0.15, 0.85, count), (bands, 1)), axis=1)
    noise = rng.normal(0, 0.03, (*labels.shape, bands))
    return np.asarray((shades.T[labels] + noise).clip(0, 1) * top)


def placed(crs: str, west: float, north: float, pixel: float) -> dict[str, Any]:
    """What ``save_tiff`` needs to put a raster on the Earth; corner and pixel in units of the CRS."""
    return {"crs": crs, "transform": (pixel, 0, west, 0, -pixel, north)}


def save(path: Path, values: np.ndarray, **options: Any) -> Path:
    """Write a picture of 8 bits, or of 1 bit from booleans, in the format of its ending, and return where."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values if values.dtype == bool else values.astype(np.uint8)).save(path, **options)
    return path
