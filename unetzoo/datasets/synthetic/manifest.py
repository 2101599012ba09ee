"""Folders, groups and splits of a generated set."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Item(NamedTuple):
    """One image to make: where it goes, what it shares with its group, and its own random numbers."""

    image: Path
    mask: Path
    style: np.random.Generator
    """Seeded by the group: the same slide, site or scanner gives the same numbers to all its images."""
    rng: np.random.Generator


def items(
    root: Path, *, count: int, per_group: int, seed: int, kind: int, group: str, suffixes: tuple[str, str]
) -> Iterator[Item]:
    """Make the folders, then hand out `count` items; the manifest is written after the last.

    Whole groups go to one split: of every five, the last is for testing and the one before it for validation.

    Args:
        kind: Number of the set, so that two sets with one seed differ.
        group: Prefix of the group names.
        suffixes: Of the image and of the mask.
    """
    if count < 5 * per_group:
        raise ValueError(
            f"count={count} gives fewer than five {group}s of {per_group}; ask for at least {5 * per_group}"
        )
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        number = i // per_group
        split = {3: "val", 4: "test"}.get(number % 5, "train")
        name = f"{group}{number:02d}_{i % per_group:02d}"
        image, mask = f"images/{name}{suffixes[0]}", f"masks/{name}{suffixes[1]}"
        yield Item(
            root / image,
            root / mask,
            np.random.default_rng([seed, kind, 0, number]),
            np.random.default_rng([seed, kind, 1, i]),
        )
        rows.append((image, mask, split, f"{group}{number:02d}"))
    with open(root / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "mask", "split", "group"))
        writer.writerows(rows)
