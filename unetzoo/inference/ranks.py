"""Exact order statistics of more values than memory holds."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

_DIGIT = 16  # bits that one pass over the values tells apart


def percentiles(
    chunks: Callable[[], Iterable[np.ndarray]], dtype: np.dtype, wanted: Sequence[float]
) -> list[float]:
    """Percentiles of all values, interpolated linearly between neighbours as `numpy.percentile` does.

    Values are counted by their leading bits, then those in the cells that matter by the next, until a cell is
    one value: once for 8 and 16 bits, twice for 32, four times for 64.

    Args:
        chunks: Gives the values, in pieces, each time it is called; at least one in all, none NaN.
        dtype: Of the values, integers or floats.
        wanted: 0 to 100.
    """
    bits = 8 * dtype.itemsize
    counts = _count(chunks(), dtype, bits, 0, None)
    total = int(counts.sum())
    places = [p / 100 * (total - 1) for p in wanted]
    ranks = sorted({rank for place in places for rank in (int(place), min(int(place) + 1, total - 1))})
    cells = [_cell(counts, rank) for rank in ranks]  # leading bits, and the rank among what shares them
    for known in range(_DIGIT, bits, _DIGIT):
        within = {
            prefix: _count(chunks(), dtype, bits, known, prefix) for prefix in sorted({c[0] for c in cells})
        }
        finer = [(prefix, _cell(within[prefix], rank)) for prefix, rank in cells]
        cells = [((prefix << _DIGIT) | digit, rank) for prefix, (digit, rank) in finer]
    values = {rank: _value(key, dtype) for rank, (key, _) in zip(ranks, cells, strict=True)}
    found = []
    for place in places:
        low, high = values[int(place)], values[min(int(place) + 1, total - 1)]
        found.append(low + (high - low) * (place - int(place)))
    return found


def _count(
    chunks: Iterable[np.ndarray], dtype: np.dtype, bits: int, known: int, prefix: int | None
) -> np.ndarray:
    """How often each next digit occurs among values whose first ``known`` bits are ``prefix``."""
    digit = min(_DIGIT, bits)
    shift = bits - known - digit
    counts = np.zeros(2**digit, np.int64)
    for values in chunks:
        keys = _keys(values, dtype)
        if prefix is not None:
            keys = keys[(keys >> keys.dtype.type(bits - known)) == prefix]
        counts += np.bincount(
            (keys >> keys.dtype.type(shift)).astype(np.int64) & (2**digit - 1), minlength=2**digit
        )
    return counts


def _cell(counts: np.ndarray, rank: int) -> tuple[int, int]:
    """The digit of the value of a rank, and its rank among the values of that digit."""
    upto = np.cumsum(counts)
    digit = int(np.searchsorted(upto, rank, side="right"))
    return digit, rank - int(upto[digit] - counts[digit])


def _keys(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Unsigned integers in the order of the values."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    raw: np.ndarray = np.ascontiguousarray(values).view(unsigned)
    top = unsigned.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "u":
        return raw
    if dtype.kind == "i":
        return np.asarray(raw ^ top)
    return np.where(raw & top, ~raw, raw | top)


def _value(key: int, dtype: np.dtype) -> float:
    """Inverse of `_keys`."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    top = 1 << (8 * dtype.itemsize - 1)
    if dtype.kind == "i":
        key ^= top
    elif dtype.kind == "f":
        key = key ^ top if key & top else ~key & (2 * top - 1)
    return float(np.array(key, unsigned).view(dtype))
