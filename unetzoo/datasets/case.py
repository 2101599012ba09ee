"""One image with its mask, as the sources list it and as it is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..inference.geometry import Image

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One labelled image of a set.

    Args:
        name: Unique in the set; the image's file name without its suffix unless the manifest says otherwise.
        mask: None where the source names no mask.
        group: Cases that belong together (patient, scene, video) share it and stay in one split.
        split: ``train``, ``val`` or ``test``; empty while undecided.
    """

    name: str
    image: Path
    mask: Path | None
    group: str
    split: str = ""


class Listing(NamedTuple):
    """What a source found: the cases, why some of them cannot be used, and what else is worth knowing."""

    cases: list[Case]
    problems: list[str]
    notes: list[str]


class Sample(NamedTuple):
    """A whole case as the network's side sees it."""

    image: Image
    x: np.ndarray
    """Normalised, (C, *size) float32."""
    mask: np.ndarray
    """Class indices (*size) uint8, or 0 and 1 per class (K, *size) if multilabel; IGNORE: not known."""


def split_of(word: str) -> str:
    """``train``, ``val`` or ``test`` from the words people write for them; empty for others."""
    words = {
        "train": "train",
        "training": "train",
        "val": "val",
        "valid": "val",
        "validation": "val",
        "dev": "val",
        "test": "test",
        "testing": "test",
    }
    return words.get(word.strip().lower(), "")
