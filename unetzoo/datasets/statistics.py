"""What the files of a set hold: computed once and kept under a hash of the files and of how they are read."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..inference.contract import DataSpec
from ..inference.image import open_part
from ..inference.source import Source, pieces
from .case import Case
from .check import labelled_pixels
from .reader import read_case
from .survey import OnError, refuse

_VERSION = 1  # of what is computed


class Fingerprint(NamedTuple):
    """Facts of the training cases that a plan rests on."""

    cases: int
    smallest: tuple[int, ...]
    """Size per axis."""
    median: tuple[int, ...]
    largest: tuple[int, ...]
    spacing: tuple[float, ...] | None
    """Median per axis, in the data's unit; None where not all images tell."""
    spacing_range: tuple[float, ...] | None
    """Largest over smallest spacing per axis."""
    eight_bit: bool
    value_range: tuple[float, float]
    drift: float
    """How far the images' means are spread, over the spread of values within an image."""
    contrast: float
    """Largest over smallest spread of values within an image."""
    pixels: int
    """Of all training images."""
    shares: dict[str, float]
    """Of the labelled pixels, by class."""
    present: dict[str, float]
    """Share of the cases that have the class."""


def fingerprint(
    cases: Sequence[Case], spec: DataSpec, progress: Callable[[int, int], None] | None = None
) -> Fingerprint:
    """Read the cases once; the second time the answer comes from the cache.

    Args:
        progress: Called with the number of cases done and their total.
    """
    how = {key: value for key, value in spec.to_dict().items() if key not in ("normalisation", "tile")}
    found = _kept(["fingerprint", how, _state(cases)], lambda: _compute(cases, spec, progress)._asdict())
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in found.items()}
    return Fingerprint(**values)


class Limits(NamedTuple):
    """What a band's statistics clip and leave out, as ``BandNormalisation`` has it."""

    window: Sequence[float] | None = None
    skip: float | None = None


def moments(
    cases: Sequence[Case],
    *,
    bands: Sequence[str],
    nodata: float | None,
    limits: Sequence[Limits] = (),
    on_error: OnError = refuse,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band over all valid pixels of all cases, from the cache or anew.

    Args:
        limits: One per band; none: all values count as they are.

    Raises:
        ValueError: If no image has a valid pixel.
    """

    def compute() -> dict[str, Any]:
        count, total, squares = (np.zeros(len(bands)) for _ in range(3))
        for case in cases:
            try:
                with open_part(case.image, bands=bands, nodata=nodata, window=case.window) as image:
                    sums = _sums(image, limits or [Limits()] * len(bands))
            except (ValueError, OSError) as error:
                on_error(error)
                continue
            count, total, squares = count + sums[0], total + sums[1], squares + sums[2]
        if not count.all():
            raise ValueError("no training image has a valid pixel, so there is no mean for data.normalise")
        mean = total / count
        return {"mean": mean.tolist(), "std": np.sqrt((squares / count - mean**2).clip(0)).tolist()}

    found = _kept(["moments", list(bands), nodata, list(limits), _state(cases)], compute)
    return tuple(found["mean"]), tuple(found["std"])


def _sums(image: Source, limits: Sequence[Limits]) -> np.ndarray:
    """Number, sum and sum of squares of the values of each band (3, C), some rows at a time."""
    sums = np.zeros((3, len(limits)))
    for data, valid in pieces(image):
        for c, (band, (window, skip)) in enumerate(zip(data, limits, strict=True)):
            values = band[valid if skip is None else valid & (band != skip)].astype(np.float64)
            if window is not None:
                values.clip(*window, out=values)
            sums[:, c] += values.size, values.sum(), np.square(values).sum()
    return sums


def _compute(
    cases: Sequence[Case], spec: DataSpec, progress: Callable[[int, int], None] | None
) -> Fingerprint:
    sizes, spacings, means, spreads, dtypes = [], [], [], [], set()
    low, high, pixels = np.inf, -np.inf, 0
    labels: Counter[int] = Counter()
    present: Counter[int] = Counter()
    for done, case in enumerate(cases, 1):
        sample = read_case(case, spec)
        image, values = sample.image, sample.image.data[:, sample.image.valid].astype(np.float64)
        sizes.append(image.valid.shape)
        spacings.append(image.spacing)
        dtypes.add(image.data.dtype)
        pixels += values.shape[1]
        if values.size:
            means.append(values.mean(axis=1))
            spreads.append(values.std(axis=1))
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if spec.target is None:
            counts = labelled_pixels(sample, spec)
            labels += counts
            present += Counter(counts.keys())
        if progress:
            progress(done, len(cases))
    usual = max(float(np.median(spreads)), 1e-12)
    each = np.array(spreads).mean(axis=1)
    known = [s for s in spacings if s is not None]
    located = np.array(known) if known and len(known) == len(cases) else None
    total = max(1, labels.total())
    return Fingerprint(
        cases=len(cases),
        smallest=tuple(np.min(sizes, axis=0).tolist()),
        median=tuple(int(n) for n in np.median(sizes, axis=0)),
        largest=tuple(np.max(sizes, axis=0).tolist()),
        spacing=None if located is None else tuple(np.median(located, axis=0).tolist()),
        spacing_range=None
        if located is None
        else tuple((located.max(axis=0) / located.min(axis=0)).tolist()),
        eight_bit=dtypes == {np.dtype(np.uint8)},
        value_range=(low, high),
        drift=float(np.std(means, axis=0).mean() / usual),
        contrast=float(each.max() / max(each.min(), 1e-12)),
        pixels=pixels,
        shares={c.name: labels[i] / total for i, c in enumerate(spec.classes)},
        present={c.name: present[i] / len(cases) for i, c in enumerate(spec.classes)},
    )


def _state(cases: Sequence[Case]) -> list[Any]:
    """What changes when the list of files or a file does."""
    return [
        [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns, str(case.window)]
        for case in cases
        for path in (case.image, case.mask, case.target)
        if path is not None and path.exists()
    ]


def _kept(key: Sequence[Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer for a key, from the user's cache if it was computed before."""
    text = json.dumps([_VERSION, *key], default=str)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unetzoo" / "statistics"
    path = cache / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    except (OSError, json.JSONDecodeError):
        found = compute()
    try:  # a folder that cannot be written to costs time, nothing else
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(found))
        temporary.replace(path)
    except OSError:
        pass
    return found
