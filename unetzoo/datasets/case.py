"""One image with its mask or target image, as the sources list it and as it is read."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..inference.contract import IGNORE, Normalisation
from ..inference.geometry import Image, Window
from ..inference.normalise import normalise
from .vector_labels import VectorLabels

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One labelled image of a set.

    Args:
        name: Unique in the set; the image's file name without its suffix unless the manifest says otherwise.
        mask: None where the source names no mask. Beside a target it says where the target counts.
        group: Cases that belong together (patient, scene, video) share it and stay in one split.
        split: ``train``, ``val`` or ``test``; empty while undecided.
        target: Image that is to be predicted from this one, on the same grid.
        fold: Of a cross-validation, from 0; None: takes no part in it.
        window: The part of a large 2D image that is the case; None: all of it.
        vector: How polygons become a mask, where the mask is a file of these.
    """

    name: str
    image: Path
    mask: Path | None
    group: str
    split: str = ""
    target: Path | None = None
    fold: int | None = None
    window: Window | None = None
    vector: VectorLabels = field(default_factory=VectorLabels)


class Listing(NamedTuple):
    """What a source found: the cases, why some of them cannot be used, and what else is worth knowing."""

    cases: list[Case]
    problems: list[str]
    notes: list[str]


class Report(NamedTuple):
    """Result of a check; every line is one sentence that names the file."""

    problems: list[str]
    """What will fail, or falsify results."""
    notes: list[str]
    """What one should know, such as empty masks, NaN, and the share of each class."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A whole case as the network's side sees it.

    Args:
        mask: Class indices (*size) uint8, or 0 and 1 per class (K, *size) if multilabel; IGNORE: not known.
            Beside a target 1, and IGNORE where the target does not count.
        target: In its own unit, (K, *size) float32, NaN where it does not count; None where there are
            classes.
    """

    image: Image
    normalisation: Normalisation
    mask: np.ndarray
    target: np.ndarray | None = None

    @cached_property
    def x(self) -> np.ndarray:
        """Normalised, (C, *size) float32; computed when it is asked for, since a scene's is large."""
        return normalise(self.image, self.normalisation)

    @property
    def reference(self) -> np.ndarray:
        """What a prediction is compared with: the target if there is one, else the mask."""
        return self.mask if self.target is None else self.target


def counted(target: np.ndarray) -> np.ndarray:
    """A target (K, *size) to (*size) uint8: 1 where it counts, IGNORE elsewhere."""
    return np.where(np.isfinite(target).all(axis=0), 1, IGNORE).astype(np.uint8)


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
