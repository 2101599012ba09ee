"""Small parts and holes of label maps, cleared away as the contract says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Cleaning:
    """What is done to one class of every label map.

    Parts are connected by all neighbours, diagonal ones too. What is dropped becomes class 0, or no class
    where classes overlap.

    Args:
        index: Of the class.
        largest: All parts but the largest are dropped.
        smallest: Parts of fewer pixels are dropped.
        fill: Background that the class encloses becomes the class.
    """

    index: int
    largest: bool = False
    smallest: int = 0
    fill: bool = False


def clean(labels: np.ndarray, cleanings: Iterable[Cleaning], *, layers: bool) -> np.ndarray:
    """Label maps uint8 (1, *size), or (K, *size) if ``layers``, in whole, cleaned class by class.

    Raises:
        ImportError: Without scipy.
    """
    cleaned = labels.copy()
    for how in cleanings:
        one = cleaned[how.index if layers else 0]
        mask = one == (1 if layers else how.index)
        kept = _cleaned(mask, one == 0, how)
        one[mask & ~kept] = 0
        one[kept] = 1 if layers else how.index
    return cleaned


def words(how: Cleaning) -> str:
    """A cleaning for people."""
    said = ["holes filled"] if how.fill else []
    said += ["the largest part alone"] if how.largest else []
    said += [f"no parts of fewer than {how.smallest} pixels"] if how.smallest > 1 else []
    return ", ".join(said) or "as it is"


def cleaned_pieces(
    pieces: Iterable[np.ndarray], cleanings: Sequence[Cleaning], *, layers: bool
) -> Iterable[np.ndarray]:
    """Pieces (count, rows, *rest) of a label map, as one if they are cleaned: a part may run through all."""
    if not cleanings:
        return pieces
    return [clean(np.concatenate(list(pieces), axis=1), cleanings, layers=layers)]


def _cleaned(mask: np.ndarray, free: np.ndarray, how: Cleaning) -> np.ndarray:
    ndimage = _ndimage()
    if how.fill:
        mask = ndimage.binary_fill_holes(mask) & (mask | free)
    if how.largest or how.smallest > 1:
        parts, count = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        sizes[0] = 0
        keep = sizes >= max(how.smallest, 1)
        if how.largest and count:
            keep &= np.arange(count + 1) == sizes.argmax()
        mask = keep[parts]
    return np.asarray(mask)


def _ndimage() -> Any:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError(
            "this model cleans its label maps, which needs scipy; pip install 'unetzoo-runtime[cleaning]'"
        ) from error
    return ndimage
