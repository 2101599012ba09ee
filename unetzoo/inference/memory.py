"""How much memory an image will take, known before any of it is read."""

import math
import re

from .contract import Contract
from .decode import channels
from .source import PIECE, Source
from .tiling import Tiling

_LIBRARIES = 128 * 10**6  # what the format libraries and the allocator keep
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def tiling_bytes(source: Source, contract: Contract, *, batch_size: int, per_pixel: int) -> int:
    """Largest amount held beside the network, its weights and what it needs to compute.

    Grows with the image's width and not with its height (in volumes: not with the number of slices), but for
    pictures, which are decoded whole.

    Args:
        per_pixel: Bytes of all results of one pixel.
    """
    tile, size = contract.data.tile, source.size
    tiling = Tiling(
        size,
        tile=tile,
        overlap=contract.overlap,
        blend=contract.blend,
        prepare=lambda rows: rows.data,
        emit=lambda place, logits: None,
    )
    spans = tiling.row_spans()
    new = max((b - a for a, b in spans[1:]), default=0)
    across = math.prod(size[1:])
    # the rows of a band of windows, those read ahead, and as much again while they are decoded
    rows = (spans[0][1] - spans[0][0] + 2 * new) * across * (source.count * source.dtype.itemsize + 1)
    # three strips: one filled, one waiting, one compressed
    results = 3 * tiling.span[0] * across * (per_pixel + 1)
    window = math.prod(tile) * 4
    windows = 3 * batch_size * window * (len(contract.data.bands) + channels(contract))
    blended = tiling.blended.size_of(channels(contract))
    # statistics of the image are taken before its windows, some rows at a time
    statistics = 0
    if contract.data.normalisation.adaptive:
        statistics = min(4 * PIECE, 4 * 8 * source.count * math.prod(size))
    return _LIBRARIES + source.held + max(statistics, rows + results + windows + blended)


def parse_bytes(text: str | float) -> int:
    """``2GB``, ``800 MB``, ``1.5G`` or a number of bytes.

    Raises:
        ValueError: If it is none of these.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)i?B?\s*", str(text), re.IGNORECASE)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or number <= 0:
        raise ValueError(f"'{text}' is not an amount of memory; write it as 800MB or 2GB")
    return int(number * _UNITS[found[2].upper()])


def readable(amount: int) -> str:
    """In MB or GB."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{max(1, round(amount / 1e6))} MB"
