"""Raw values to the network's input; the same functions for training, evaluation and deployment."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .geometry import Image, Rows
from .normalisation import BandNormalisation, Normalisation
from .ranks import percentiles
from .source import ImageSource, Source, pieces

# mean and standard deviation of ImageNet's RGB on a 0..255 scale, as torchvision and timm use them
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Scale(NamedTuple):
    """What `rescale` does to each band: subtract, divide, and clip."""

    shift: tuple[float, ...]
    divisor: tuple[float, ...]
    """0 of a band without contrast, which becomes zeros."""
    limits: tuple[tuple[float, float], ...]
    """Of the result."""
    skip: tuple[float | None, ...]
    """Raw value that becomes 0."""


def normalise(image: Image, how: Normalisation) -> np.ndarray:
    """The network's input (C, *size) in float32, band by band, 0 where the image has no data.

    - ``percentile``: ``how.low`` to 0 and ``how.high`` to 1, clipped outside;
    - ``minmax``: smallest value to 0, largest to 1;
    - ``zscore``: mean 0, standard deviation 1;
    - ``imagenet``, ``fixed``: ``(value - mean) / std`` with given numbers, the same for every image;
    - ``window``: ``how.window``'s ends to 0 and 1;
    - ``each``: any of these, another one for each band.

    Values outside of ``how.window`` are taken for its nearer end first; those equal to ``how.skip`` are left
    out and become 0. Statistics come from the valid pixels of the whole image, never from a tile. A band
    without contrast becomes zeros.
    """
    return rescale(Rows(image.data, image.valid), scale_of(ImageSource(image), how))


def of_bands(how: Normalisation, count: int) -> tuple[BandNormalisation, ...]:
    """A normalisation as one per band."""
    if how.method == "imagenet":
        how = replace(how, method="fixed", mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if how.method == "fixed":
        return tuple(replace(how, mean=(m,), std=(s,)) for m, s in zip(how.mean, how.std, strict=True))
    return how.each or (how,) * count


def scale_of(source: Source, how: Normalisation) -> Scale:
    """The numbers that `rescale` needs; reads the image, once or more, where they come from it."""
    bands = of_bands(how, source.count)
    ends = extremes(source, bands) if how.adaptive else [(0.0, 0.0)] * len(bands)
    moments = _means_and_deviations(source, bands, ends)
    shifts, divisors, limits = list[float](), list[float](), list[tuple[float, float]]()
    for c, band in enumerate(bands):
        low, high = band.window if band.method == "window" and band.window else ends[c]
        if band.method == "percentile" and low < high:
            low, high = _percentiles(source, c, band)
        shift, divisor = low, high - low
        if band.method == "fixed":
            (shift,), (divisor,) = band.mean, band.std
        elif band.method == "zscore":
            shift, divisor = moments[c]
        shifts.append(shift)
        divisors.append(divisor)
        limits.append(_limits(band, shift, divisor))
    return Scale(tuple(shifts), tuple(divisors), tuple(limits), tuple(band.skip for band in bands))


def _limits(how: BandNormalisation, shift: float, divisor: float) -> tuple[float, float]:
    if how.method in ("percentile", "window"):
        return 0.0, 1.0
    if how.window is None or not divisor:
        return -math.inf, math.inf
    return (how.window[0] - shift) / divisor, (how.window[1] - shift) / divisor


def rescale(rows: Rows, scale: Scale) -> np.ndarray:
    """Any piece of an image (C, *size) in float32, 0 where it has no data."""
    data, valid = rows
    x = np.zeros(data.shape, np.float32)
    everywhere = bool(valid.all())
    for c, (band, shift, divisor, limits, skip) in enumerate(zip(data, *scale, strict=True)):
        if divisor == 0:
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # no-data pixels may hold anything
            # in double precision where the values are large, without a copy of the band in it
            np.subtract(band, shift, out=x[c], dtype=np.float64, casting="same_kind")
            x[c] /= divisor
        if limits != (-math.inf, math.inf):
            x[c].clip(*limits, out=x[c])
        if not everywhere or skip is not None:
            x[c][~_seen(band, valid, skip)] = 0
    return x


def extremes(source: Source, bands: Sequence[BandNormalisation] = ()) -> list[tuple[float, float]]:
    """Smallest and largest valid value of each band; (0, 0) where there is none.

    Args:
        bands: What they leave out or clip; none: nothing.
    """
    skips = [band.skip for band in bands] or [None] * source.count
    ends = [(math.inf, -math.inf)] * source.count
    for data, valid in pieces(source):
        everywhere = bool(valid.all())
        for c, (band, skip) in enumerate(zip(data, skips, strict=True)):
            values = band if everywhere and skip is None else band[_seen(band, valid, skip)]
            if values.size:
                a, b = ends[c]
                ends[c] = min(a, float(values.min())), max(b, float(values.max()))
    found = [end if end[0] <= end[1] else (0.0, 0.0) for end in ends]
    windows = [band.window for band in bands] or [None] * source.count
    return [_clipped(end, window) for end, window in zip(found, windows, strict=True)]


def _clipped(ends: tuple[float, float], window: tuple[float, float] | None) -> tuple[float, float]:
    if window is None:
        return ends
    low, high = (min(max(end, window[0]), window[1]) for end in ends)
    return low, high


def _seen(band: np.ndarray, valid: np.ndarray, skip: float | None) -> np.ndarray:
    """Where a band counts."""
    return valid if skip is None else valid & (band != skip)


def _percentiles(source: Source, c: int, how: BandNormalisation) -> tuple[float, float]:
    def values() -> Iterator[np.ndarray]:
        for data, valid in pieces(source):
            yield data[c][_seen(data[c], valid, how.skip)]

    low, high = percentiles(values, source.dtype, (how.low, how.high))
    return _clipped((low, high), how.window)


def _means_and_deviations(
    source: Source, bands: Sequence[BandNormalisation], ends: Sequence[tuple[float, float]]
) -> dict[int, tuple[float, float]]:
    """Mean and standard deviation of the values of each ``zscore`` band; the deviation of equal values is 0.

    Rows are summed one by one and their sums exactly, so the result does not depend on how many are read at a
    time: with count n, mean m and squared deviation q of each row, that of all is the sum of
    ``q + n (m - mean)^2``.
    """
    wanted = [c for c, band in enumerate(bands) if band.method == "zscore"]
    rows: dict[int, list[tuple[float, float, float]]] = {c: [] for c in wanted}
    for data, valid in pieces(source) if wanted else ():
        for c in wanted:
            seen = _seen(data[c], valid, bands[c].skip)
            n = seen.reshape(len(seen), -1).sum(axis=1)
            values = np.where(seen, data[c], 0).reshape(len(seen), -1).astype(np.float64)
            if (window := bands[c].window) is not None:
                values.clip(*window, out=values)
            values[~seen.reshape(len(seen), -1)] = 0
            mean = values.sum(axis=1) / np.maximum(n, 1)
            values -= mean[:, None]
            values[~seen.reshape(len(seen), -1)] = 0
            squares = np.square(values, out=values).sum(axis=1)
            rows[c] += zip(n.tolist(), mean.tolist(), squares.tolist(), strict=True)
    return {c: _moments(rows[c], ends[c]) for c in wanted}


def _moments(rows: Sequence[tuple[float, float, float]], ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] == ends[1]:
        return ends[0], 0.0
    total = math.fsum(n for n, _, _ in rows)
    mean = math.fsum(n * m for n, m, _ in rows) / total
    spread = math.fsum(q + n * (m - mean) ** 2 for n, m, q in rows)
    return mean, math.sqrt(spread / total)
