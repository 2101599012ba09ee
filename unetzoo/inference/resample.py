"""Images on a grid of the spacing a model was trained at, and what it says there back on their own grid."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from .contract import Contract, DataSpec
from .decode import channels
from .files import FileError
from .geometry import PictureGeometry, RasterGeometry, Rows
from .imagejob import Output
from .normalise import Scale, scale_of
from .source import Source, piece

_SAME = 0.01  # of the spacing; what is nearer stays as it is


def grid_size(source: Source, data: DataSpec, name: str) -> tuple[int, ...]:
    """Size of an image at the model's spacing, over the same extent; its own if the model wants none.

    Axes that are within a hundredth of the spacing keep their size.

    Raises:
        FileError: If the image does not say how large its pixels are.
    """
    if data.resample is None:
        return source.size
    spacing = _ground(source.geometry) if isinstance(source.geometry, RasterGeometry) else source.spacing
    if spacing is None:
        wanted = " x ".join(f"{s:g}" for s in data.resample)
        raise FileError(
            f"{name}: says nothing of the size of its pixels, but the model works at {wanted} "
            f"{'mm' if data.ndim == 3 else 'm'}; write it into the file"
        )
    ratios = [have / want for have, want in zip(spacing, data.resample, strict=True)]
    return tuple(
        n if abs(ratio - 1) <= _SAME else max(1, round(n * ratio))
        for n, ratio in zip(source.size, ratios, strict=True)
    )


class Resampled(Source):
    """An image on a grid of another size over the same extent.

    Linear, with weights that reach as far as the coarser of both grids' pixels, so that nothing aliases;
    pixels without data have no weight, and where they would have more than half of it there is no data.
    """

    def __init__(self, source: Source, size: Sequence[int]) -> None:
        super().__init__(PictureGeometry(tuple(size)), source.count, np.dtype(np.float32), bands=source.bands)
        self._source = source
        self._taps = [_taps(old, new) for old, new in zip(source.size, size, strict=True)]
        reach = self._taps[0].index.shape[1]
        self.held = source.held + 8 * (source.count + 1) * reach * math.prod(source.size[1:])
        self._known: deque[np.ndarray] = deque()
        self._seen = 0

    @property
    def original(self) -> Source:
        """The image on its own grid."""
        return self._source

    def read(self, first: int, last: int) -> Rows:
        """Rows of the new grid."""
        rows = self._taps[0].part(first, last)
        begin, end = int(rows.index.min()), int(rows.index.max()) + 1
        data, valid = self._source.read(begin, end)
        if end > self._seen:
            self._known.append(valid[max(0, self._seen - begin) :])
            self._seen = end
        taps = [_Taps(rows.index - begin, rows.weight), *self._taps[1:]]
        if valid.all():
            return Rows(_apply(data, taps), np.ones((last - first, *self.size[1:]), bool))
        weight = _apply(valid[None].astype(np.float32), taps)
        values = _apply(np.where(valid, data, 0), taps)
        np.divide(values, weight, out=values, where=weight > 0)
        return Rows(values, weight[0] >= 0.5 - 1e-6)

    def known(self, rows: int) -> np.ndarray:
        """Where the next rows of the original have data; each row is told once, after it was read."""
        parts = []
        while rows > 0:
            part = self._known.popleft()
            if len(part) > rows:
                self._known.appendleft(part[rows:])
                part = part[:rows]
            parts.append(part)
            rows -= len(part)
        return np.concatenate(parts)


class Back:
    """A sink of logits on the new grid that hands results on the original grid to the sinks of ``outputs``.

    Logits are resampled rather than labels, so that borders between classes fall where they are equal.
    """

    def __init__(self, grid: Resampled, outputs: Sequence[Output], contract: Contract) -> None:
        self.grid, self.outputs, self.contract = grid, outputs, contract
        size = grid.original.size
        self._taps = [_taps(old, new) for old, new in zip(grid.size, size, strict=True)]
        self._ends = self._taps[0].index.max(axis=1) + 1
        self._rows: np.ndarray | None = None
        self._first = self._done = 0

    def append(self, piece_: np.ndarray) -> None:
        """The next rows of logits (channels, rows, *rest)."""
        self._rows = piece_ if self._rows is None else np.concatenate([self._rows, piece_], axis=1)
        here = self._first + self._rows.shape[1]
        ready = int(np.searchsorted(self._ends, here, side="right"))
        step = piece(self.grid.original.size, 8 * len(piece_))
        for first in range(self._done, ready, step):
            self._finish(first, min(first + step, ready))
        self._done = ready
        if ready < len(self._ends):
            keep = int(self._taps[0].index[ready].min())
            self._rows, self._first = self._rows[:, max(0, keep - self._first) :], max(keep, self._first)

    def _finish(self, first: int, last: int) -> None:
        assert self._rows is not None
        rows = self._taps[0].part(first, last)
        logits = _apply(self._rows, [_Taps(rows.index - self._first, rows.weight), *self._taps[1:]])
        missing = ~self.grid.known(last - first)
        for output in self.outputs:
            result = output.decode(logits, self.contract).astype(output.dtype, copy=False)
            if output.missing is not None:
                result[:, missing] = output.missing
            output.sink.append(result)


def on_grid(
    source: Source, contract: Contract, outputs: Sequence[Output], name: str
) -> tuple[Source, Sequence[Output], Scale | None]:
    """What an `ImageJob` takes for an image: itself, or at the model's spacing with results brought back."""
    size = grid_size(source, contract.data, name)
    if size == source.size:
        return source, outputs, None
    grid = Resampled(source, size)
    back = Back(grid, outputs, contract)
    kept = Output(lambda logits, _: logits, channels(contract), "float32", None, back)
    return grid, [kept], scale_of(source, contract.data.normalisation)


def nearest(labels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Labels (*old), or layers (K, *old), on a grid of another size over the same extent."""
    old = labels.shape[labels.ndim - len(size) :]
    for axis, (n, new) in enumerate(zip(old, size, strict=True), start=labels.ndim - len(size)):
        index = np.minimum((np.arange(new) + 0.5) * n / new, n - 1).astype(np.int64)
        labels = np.take(labels, index, axis=axis)
    return labels


class _Taps:
    """Which pixels of an axis make up each of another (N, T), and how much each counts; rows sum to 1."""

    def __init__(self, index: np.ndarray, weight: np.ndarray) -> None:
        self.index, self.weight = index, weight

    def part(self, first: int, last: int) -> "_Taps":
        return _Taps(self.index[first:last], self.weight[first:last])


def _taps(old: int, new: int) -> _Taps:
    if old == new:
        return _Taps(np.arange(new)[:, None], np.ones((new, 1), np.float32))
    scale = old / new
    reach = max(1.0, scale)
    centre = (np.arange(new) + 0.5) * scale - 0.5
    index = np.ceil(centre - reach).astype(np.int64)[:, None] + np.arange(math.ceil(2 * reach))
    weight = np.maximum(0, 1 - np.abs(index - centre[:, None]) / reach)
    weight[(index < 0) | (index >= old)] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    return _Taps(index.clip(0, old - 1), weight.astype(np.float32))


def _apply(x: np.ndarray, taps: Sequence[_Taps]) -> np.ndarray:
    """(C, *old) to (C, *new) float32, axis by axis."""
    x = x.astype(np.float32, copy=False)
    for axis, tap in enumerate(taps, start=1):
        if tap.index.shape[1] == 1:
            x = np.take(x, tap.index[:, 0], axis=axis)
            continue
        shape = [-1 if a == axis else 1 for a in range(x.ndim)]
        total = np.take(x, tap.index[:, 0], axis=axis) * tap.weight[:, 0].reshape(shape)
        for k in range(1, tap.index.shape[1]):
            total += np.take(x, tap.index[:, k], axis=axis) * tap.weight[:, k].reshape(shape)
        x = total
    return x


def _ground(geometry: RasterGeometry) -> tuple[float, float] | None:
    """Metres on the ground of a pixel's step along (rows, columns), in the raster's centre.

    Measured there, because degrees and the metres of Mercator's map shrink towards the poles.
    """
    if geometry.crs is None or geometry.transform.is_identity:
        return None
    from rasterio.warp import transform

    height, width = geometry.size
    t, many = geometry.transform, 10  # pixels at a time, for the digits of degrees
    x, y = t.a * width / 2 + t.b * height / 2 + t.c, t.d * width / 2 + t.e * height / 2 + t.f
    xs, ys = [x, x + many * t.b, x + many * t.a], [y, y + many * t.e, y + many * t.d]
    longitude, latitude = transform(geometry.crs, "EPSG:4326", xs, ys)
    phi = math.radians(latitude[0])
    # length of a degree on the ellipsoid of WGS 84
    north = 111132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    east = 111412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    rows, columns = (
        math.hypot((longitude[i] - longitude[0]) * east, (latitude[i] - latitude[0]) * north) / many
        for i in (1, 2)
    )
    return rows, columns
