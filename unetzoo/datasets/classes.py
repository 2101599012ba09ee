"""Classes and the ids that stand for them in mask files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..inference.contract import IGNORE, ClassSpec

MAX_DISCOVERED = 64
_PIECE = 2**22  # pixels that are looked up at a time, since they are looked up in 64 bits
COLOURS = (  # Okabe and Ito 2008, distinguishable for the colour-blind, then Tol's muted set
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)),
    *((204, 121, 167), (51, 34, 136), (136, 204, 238), (68, 170, 153), (17, 119, 51), (153, 153, 51)),
    *((221, 204, 119), (204, 102, 119), (136, 34, 85), (170, 68, 153)),
)


def parse_classes(config: Mapping[str, Any] | Sequence[str], *, multilabel: bool) -> tuple[ClassSpec, ...]:
    """Classes as the config writes them, in that order, except that ``background`` comes first.

    A mapping of names to an id, a list of ids, or a range such as ``128-255``; or a list of names, whose ids
    count from 0. For masks with one band per class the number of the band, from 1, stands in place of the id.
    """
    if not isinstance(config, Mapping):
        config = {str(name): index + multilabel for index, name in enumerate(config)}
    names = sorted(config, key=lambda name: str(name) != "background")
    return tuple(_spec(i, str(name), _ids(str(name), config[name])) for i, name in enumerate(names))


def classes_of_ids(ids: Sequence[int], *, multilabel: bool) -> tuple[ClassSpec, ...]:
    """Classes for the ids found in masks: 0 is background, a single other id is foreground.

    Raises:
        ValueError: If there are so many ids, or so few, that the files are hardly label masks.
    """
    if len(ids) > MAX_DISCOVERED:
        raise ValueError(f"all masks together: {too_many(ids)}")
    if len(ids) - (multilabel and 0 in ids) < (1 if multilabel else 2):
        raise ValueError(
            f"the masks hold only the id {', '.join(map(str, ids)) or 'of data.ignore_index'}, "
            "so there is nothing to tell apart; check data.masks, or list the classes in data.classes"
        )
    if multilabel:
        return tuple(_spec(i + 1, f"class_{id_}", (id_,)) for i, id_ in enumerate(x for x in ids if x != 0))
    binary = len(ids) == 2 and ids[0] == 0
    return tuple(
        _spec(i, "background" if id_ == 0 else "foreground" if binary else f"class_{id_}", (id_,))
        for i, id_ in enumerate(ids)
    )


def too_many(ids: Sequence[int]) -> str:
    """The complaint about masks with more ids than labels have."""
    return (
        f"holds {len(ids)} different ids ({short(ids)}), so it is no label map as it stands; list the "
        "classes in data.classes, grey levels of a JPG or a smoothed mask as "
        "{background: 0-127, foreground: 128-255}"
    )


def classes_of_bands(count: int) -> tuple[ClassSpec, ...]:
    """Classes for masks with one band per class."""
    return tuple(_spec(band, f"class_{band}", (band,)) for band in range(1, count + 1))


def encode(
    raw: np.ndarray, ndim: int, classes: Sequence[ClassSpec], *, ignore_index: int | None, multilabel: bool
) -> np.ndarray:
    """Class indices (*size) uint8 from raw ids, or 0 and 1 per class (K, *size); IGNORE where no label is.

    A multilabel mask is either one band per class, anything but 0 being the class, or one label map whose ids
    may stand for several classes at once (0 for none).

    Raises:
        ValueError: If the mask has ids, or numbers of bands, that the classes do not tell of.
    """
    if raw.ndim != ndim and not (multilabel and raw.ndim == ndim + 1):
        raise ValueError(
            f"the mask has the shape {raw.shape}, which is not one {ndim}D label map; "
            "set data.multilabel=true if it has one band per class"
        )
    if raw.ndim == ndim + 1:
        return _encode_bands(raw, classes, ignore_index)
    ids = sorted({i for spec in classes for i in spec.ids} | ({0} if multilabel else set()))
    # the ignored id wins over a class that lists it
    known = np.array(sorted({*ids} | (set() if ignore_index is None else {ignore_index})), np.int64)
    flat, at = raw.reshape(-1), np.empty(raw.size, np.uint8 if len(known) < 256 else np.int64)
    unknown: set[int] = set()
    for first in range(0, flat.size, _PIECE):
        part = flat[first : first + _PIECE]
        where = np.searchsorted(known, part).clip(0, len(known) - 1)
        unknown |= {int(i) for i in np.unique(part[known[where] != part])}
        at[first : first + _PIECE] = where
    if unknown:
        listed = ", ".join(f"{spec.name} {short(spec.ids)}" for spec in classes)
        raise ValueError(
            f"the mask has the ids {short(sorted(unknown))} beside those of the classes ({listed}); "
            "map them in data.classes or set data.ignore_index"
        )
    if multilabel:
        table = np.array([[int(i) in spec.ids for i in known] for spec in classes], np.uint8)
    else:
        owner = {i: index for index, spec in enumerate(classes) for i in spec.ids}
        table = np.array([owner.get(int(i), IGNORE) for i in known], np.uint8)
    table[..., known == ignore_index] = IGNORE
    return np.asarray(table[..., at.reshape(raw.shape)])


def _encode_bands(raw: np.ndarray, classes: Sequence[ClassSpec], ignore_index: int | None) -> np.ndarray:
    bands = [i for spec in classes for i in spec.ids]
    if max(bands) > len(raw) or min(bands) < 1:
        raise ValueError(
            f"the mask has {len(raw)} bands, but the classes are in the bands {short(bands)} (counted from 1)"
        )
    layers = [(raw[[i - 1 for i in spec.ids]] != 0).any(axis=0).astype(np.uint8) for spec in classes]
    if ignore_index is not None:
        for layer, spec in zip(layers, classes, strict=True):
            layer[(raw[[i - 1 for i in spec.ids]] == ignore_index).any(axis=0)] = IGNORE
    return np.stack(layers)


def _spec(index: int, name: str, ids: tuple[int, ...]) -> ClassSpec:
    background = index == 0 and (name == "background" or ids == (0,))
    return ClassSpec(name, ids, (0, 0, 0) if background else COLOURS[(index - 1) % len(COLOURS)])


def _ids(name: str, value: Any) -> tuple[int, ...]:
    """Ids of one class from ``3``, ``[3, 4]``, ``"128-255"`` or a list of these."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(i for item in value for i in _ids(name, item))
    first, dash, last = str(value).strip().partition("-") if isinstance(value, str) else (str(value), "", "")
    try:
        start = int(first) if first else -int(last)  # "-1" is an id, not a range
        stop = int(last) if dash and first else start
    except ValueError:
        raise ValueError(
            f"data.classes.{name}={value!r} must be an id, a list of ids, or a range such as 128-255"
        ) from None
    if not start <= stop <= start + 4096:
        raise ValueError(f"data.classes.{name}={value!r} must count upwards, over at most 4096 ids")
    return tuple(range(start, stop + 1))


def short(ids: Sequence[int]) -> str:
    """``3``, ``3, 7`` or ``3, 7, 8 ... 255``."""
    shown = [str(i) for i in ids]
    return ", ".join(shown) if len(shown) <= 8 else f"{', '.join(shown[:6])} ... {shown[-1]}"
