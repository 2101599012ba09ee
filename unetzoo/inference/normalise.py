"""Raw values to the network's input; the same functions for training, evaluation and deployment."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .contract import Normalisation
from .geometry import Image, Rows
from .ranks import percentiles
from .source import ImageSource, Source, piece

# mean and standard deviation of ImageNet's RGB on a 0..255 scale, as torchvision and timm use them
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Scale(NamedTuple):
    """What is subtracted from each band and by what it is divided then; 0 if it has no contrast."""

    shift: tuple[float, ...]
    divisor: tuple[float, ...]
    clipped: bool


def normalise(image: Image, how: Normalisation) -> np.ndarray:
    """The network's input (C, *size) in float32, band by band, 0 where the image has no data.

    - ``percentile``: ``how.low`` to 0 and ``how.high`` to 1, clipped outside;
    - ``minmax``: smallest value to 0, largest to 1;
    - ``zscore``: mean 0, standard deviation 1;
    - ``imagenet``, ``fixed``: ``(value - mean) / std`` with given numbers, the same for every image.

    Statistics come from the valid pixels of the whole image, never from a tile. A band without contrast
    becomes zeros.
    """
    return rescale(Rows(image.data, image.valid), scale_of(ImageSource(image), how))


def scale_of(source: Source, how: Normalisation) -> Scale:
    """The numbers that `rescale` needs; reads the image, once or more, where they come from it."""
    if how.method == "imagenet":
        return Scale(IMAGENET_MEAN, IMAGENET_STD, clipped=False)
    if how.method == "fixed":
        return Scale(how.mean, how.std, clipped=False)
    if how.method == "zscore":
        shift, divisor = zip(*_means_and_deviations(source), strict=True)
        return Scale(shift, divisor, clipped=False)
    ends = extremes(source)
    if how.method == "percentile":
        ends = [_percentiles(source, c, how) if a < b else (a, b) for c, (a, b) in enumerate(ends)]
    lows, ranges = zip(*((low, high - low) for low, high in ends), strict=True)
    return Scale(lows, ranges, clipped=how.method == "percentile")


def rescale(rows: Rows, scale: Scale) -> np.ndarray:
    """Any piece of an image (C, *size) in float32, 0 where it has no data."""
    data, valid = rows
    x = np.zeros(data.shape, np.float32)
    everywhere = bool(valid.all())
    for c, (band, shift, divisor) in enumerate(zip(data, scale.shift, scale.divisor, strict=True)):
        if divisor == 0:
            continue
        with np.errstate(invalid="ignore", over="ignore"):  # no-data pixels may hold anything
            # in double precision where the values are large, without a copy of the band in it
            np.subtract(band, shift, out=x[c], dtype=np.float64, casting="same_kind")
            x[c] /= divisor
        if scale.clipped:
            x[c].clip(0, 1, out=x[c])
        if not everywhere:
            x[c][~valid] = 0
    return x


def extremes(source: Source) -> list[tuple[float, float]]:
    """Smallest and largest valid value of each band; (0, 0) where there is none."""
    ends = [(math.inf, -math.inf)] * source.count
    for data, valid in _pieces(source):
        if valid.any():
            values = data if valid.all() else data[:, valid]
            axes = tuple(range(1, values.ndim))
            lows, highs = values.min(axis=axes), values.max(axis=axes)
            ends = [
                (min(a, float(low)), max(b, float(high)))
                for (a, b), low, high in zip(ends, lows, highs, strict=True)
            ]
    return [end if end[0] <= end[1] else (0.0, 0.0) for end in ends]


def _percentiles(source: Source, band: int, how: Normalisation) -> tuple[float, float]:
    def values() -> Iterator[np.ndarray]:
        for data, valid in _pieces(source):
            yield data[band][valid]

    low, high = percentiles(values, source.dtype, (how.low, how.high))
    return low, high


def _means_and_deviations(source: Source) -> list[tuple[float, float]]:
    """Mean and standard deviation of each band's valid values; the deviation of equal values is 0.

    Rows are summed one by one and their sums exactly, so the result does not depend on how many are read at a
    time: with count n, mean m and squared deviation q of each row, that of all is the sum of
    ``q + n (m - mean)^2``.
    """
    counts: list[float] = []
    means: list[list[float]] = [[] for _ in range(source.count)]
    squares: list[list[float]] = [[] for _ in range(source.count)]
    for data, valid in _pieces(source):
        n = valid.reshape(len(valid), -1).sum(axis=1)
        counts += n.tolist()
        for c, band in enumerate(data):
            values = np.where(valid, band, 0).reshape(len(valid), -1).astype(np.float64)
            mean = values.sum(axis=1) / np.maximum(n, 1)
            values -= mean[:, None]
            values[~valid.reshape(len(valid), -1)] = 0
            means[c] += mean.tolist()
            squares[c] += np.square(values, out=values).sum(axis=1).tolist()
    total = math.fsum(counts)
    found = []
    for (low, high), ms, qs in zip(extremes(source), means, squares, strict=True):
        if low == high:
            found.append((low, 0.0))
            continue
        mean = math.fsum(n * m for n, m in zip(counts, ms, strict=True)) / total
        spread = math.fsum(q + n * (m - mean) ** 2 for n, m, q in zip(counts, ms, qs, strict=True))
        found.append((mean, math.sqrt(spread / total)))
    return found


def _pieces(source: Source) -> Iterator[Rows]:
    step = piece(source.size, source.count * 8)  # statistics are in double precision
    for first in range(0, source.size[0], step):
        yield source.read(first, min(first + step, source.size[0]))
