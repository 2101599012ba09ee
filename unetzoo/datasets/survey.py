"""What images and masks tell of themselves where the config is silent."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..inference.contract import ClassSpec
from ..inference.image import default_bands, open_part, read_mask
from ..inference.source import pieces
from .case import Case
from .classes import MAX_DISCOVERED, classes_of_bands, classes_of_ids, too_many

SURVEYED = 32  # images are looked at for their bands and values; more would delay every start for little

OnError = Callable[[Exception], None]
"""Called with what is wrong with a file; unless it raises, the file is passed over."""


def refuse(error: Exception) -> None:
    """The strict ``OnError``."""
    raise error


class Survey(NamedTuple):
    """Facts of the training images."""

    ndim: int
    bands: tuple[str, ...]
    size: tuple[int, ...]
    """Median per axis."""
    spacing: tuple[float, ...] | None
    unit: str
    value_range: tuple[float, float] | None
    mean: tuple[float, ...]
    """Per band, raw."""
    std: tuple[float, ...]


def survey_images(
    cases: Sequence[Case],
    *,
    bands: Sequence[str] | int | None,
    nodata: float | None,
    on_error: OnError = refuse,
) -> Survey:
    """Look at up to `SURVEYED` images, spread evenly over the cases.

    A set that mixes grey and colour pictures counts as colour.

    Raises:
        ValueError: If images differ in dimension or in bands, or none can be read.
    """
    places = sorted({round(i) for i in np.linspace(0, len(cases) - 1, min(len(cases), SURVEYED))})
    facts = []
    for case in (cases[i] for i in places):
        try:
            facts.append(_look(case, bands, nodata))
        except (ValueError, OSError) as error:
            on_error(error)
    if not facts:
        raise ValueError("none of the training images can be read; `unetzoo data check` says why for each")
    names = _agree({f.image: f.bands for f in facts}, "bands", on_error)
    ndims = _agree({f.image: (f"{len(f.size)}D",) for f in facts}, "dimension", on_error)
    facts = [f for f in facts if (f"{len(f.size)}D",) == ndims]
    measured = [f for f in facts if f.bands == names and f.pixels]
    count = max(1, sum(f.pixels for f in measured))
    mean = sum((f.total for f in measured), np.zeros(len(names))) / count
    variance = sum((f.squares for f in measured), np.zeros(len(names))) / count - mean**2
    units = {f.unit for f in facts}
    spacings = [f.spacing for f in facts if f.spacing is not None]
    # a mean over metres and degrees would mean nothing
    located = len(units) == 1 and len(spacings) == len(facts)
    with_data = [f for f in facts if f.pixels]
    return Survey(
        ndim=len(facts[0].size),
        bands=names,
        size=tuple(int(n) for n in np.median([f.size for f in facts], axis=0)),
        spacing=tuple(float(s) for s in np.mean(spacings, axis=0)) if located else None,
        unit=units.pop() if located else "px",
        value_range=(min(f.low for f in with_data), max(f.high for f in with_data)) if with_data else None,
        mean=tuple(float(m) for m in mean),
        std=tuple(float(s) for s in np.sqrt(variance.clip(0))),
    )


def discover_classes(
    masks: Iterable[Path],
    ndim: int,
    *,
    ignore_index: int | None,
    multilabel: bool,
    on_error: OnError = refuse,
) -> tuple[ClassSpec, ...]:
    """Classes for whatever ids the masks hold; all masks are read, since a rare class may be in one only."""
    ids: set[int] = set()
    bands: dict[Path, tuple[str, ...]] = {}
    for path in masks:
        try:
            raw = read_mask(path)
            if raw.ndim != ndim and not (multilabel and raw.ndim == ndim + 1):
                raise ValueError(
                    f"{path}: the mask has the shape {raw.shape}, which is not one {ndim}D label map"
                )
            new = {int(i) for i in np.unique(raw)} if raw.ndim == ndim else set()
            if len(new) > MAX_DISCOVERED + 1:
                raise ValueError(f"{path}: {too_many(sorted(new))}")
        except (ValueError, OSError) as error:
            on_error(error)
            continue
        bands[path] = (str(len(raw)) if raw.ndim > ndim else "no",)
        ids |= new
    layers = _agree(bands, "number of bands", on_error) if bands else ("no",)
    if layers != ("no",):
        return classes_of_bands(int(layers[0]))
    return classes_of_ids(sorted(ids - {ignore_index}), multilabel=multilabel)


class _Facts(NamedTuple):
    image: Path
    bands: tuple[str, ...]
    size: tuple[int, ...]
    spacing: tuple[float, ...] | None
    unit: str
    pixels: int
    """Of valid pixels; the rest is over these."""
    low: float
    high: float
    total: np.ndarray
    squares: np.ndarray


def _look(case: Case, bands: Sequence[str] | int | None, nodata: float | None) -> _Facts:
    with open_part(case.image, bands=bands, nodata=nodata, window=case.window) as image:
        pixels, low, high = 0, math.inf, -math.inf
        total, squares = np.zeros(image.count), np.zeros(image.count)
        for data, valid in pieces(image):  # a large scene is never held
            values = data[:, valid].astype(np.float64)
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            pixels += values.shape[1]
            total += values.sum(axis=1)
            squares += np.square(values, out=values).sum(axis=1)
    named = bands if bands is not None and not isinstance(bands, int) else image.bands
    return _Facts(
        image=case.image,
        bands=tuple(named) or default_bands(image.count),
        size=image.size,
        spacing=image.spacing,
        unit=image.unit,
        pixels=pixels,
        low=low,
        high=high,
        total=total,
        squares=squares,
    )


def _agree(answers: dict[Path, tuple[str, ...]], what: str, on_error: OnError) -> tuple[str, ...]:
    """The answer of all files, colour for grey and colour mixed, else the most frequent after a complaint."""
    ranked = [answer for answer, _ in Counter(answers.values()).most_common()]
    if set(ranked) == {default_bands(1), default_bands(3)}:
        return default_bands(3)
    if len(ranked) > 1:
        odd, usual = (next(path for path, a in answers.items() if a == answer) for answer in ranked[1::-1])
        on_error(
            ValueError(
                f"{odd}: differs in its {what} ({', '.join(ranked[1])}) from {usual} "
                f"({', '.join(ranked[0])}); take it out, or say in data.bands what to read"
            )
        )
    return ranked[0]
