"""One file on its way to its results; whatever goes wrong with it is told and leaves the others alone."""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np

from .check import check_source
from .cleaning import cleaned_pieces
from .contract import IGNORE, Contract
from .decode import (
    channels,
    entropies,
    entropy_of_logits,
    labels_of_logits,
    probabilities_of_logits,
    require_classes,
    values_of_outputs,
)
from .files import FileError, stem, title
from .geometry import Geometry, RasterGeometry
from .image import open_image
from .imagejob import Decode, ImageJob, Output, Progress
from .jobs import key_of
from .memory import parse_bytes, readable, tiling_bytes
from .resample import Resampled, grid_size, on_grid
from .results import Result, labels_of, output_suffix, require_format, write_result
from .source import Source
from .spool import Spool
from .vector import parse_tolerance, require_polygons, write_polygons

DEFAULT_BATCH = 4
_WORTH_TELLING = 200 * 10**6  # bytes


class Options(TypedDict, total=False):
    """How files are predicted.

    Keys:
        probabilities: Also write ``<name>_probabilities`` (GeoTIFF, 4D NIfTI, or .npy).
        entropy: Also write ``<name>_entropy``: how unsure the network is, 0 to 1, see `entropy_of_logits`.
        flips: Average over mirrored windows.
        rotations: Average over windows turned by quarters in the plane.
        batch_size: Windows per call of the network, of several files where these are small; default 4.
        max_ram: Bytes, or text such as ``2GB``, that tiling may hold beside the network; a file that needs
            more is refused before it is read.
        cloud: Write GeoTIFFs as cloud-optimised ones.
        format: Ending of label maps, such as ``nii.gz`` for a DICOM series; None: that of the input's format.
        vector: Also write polygons, ``geojson`` or ``gpkg``; see `write_polygons`.
        simplify: Tolerance of the polygons, ``2px`` or ``1.5m``; see `write_polygons`.
    """

    probabilities: bool
    entropy: bool
    flips: bool
    rotations: bool
    batch_size: int
    max_ram: str | float | None
    cloud: bool
    format: str | None
    vector: str | None
    simplify: str | float


def require_sensible(options: Options) -> None:
    """Refuse once what every file would be refused for.

    Raises:
        ValueError: If an option is out of range.
    """
    limit, batch_size = options.get("max_ram"), options.get("batch_size", DEFAULT_BATCH)
    if limit is not None:
        parse_bytes(limit)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: a call of the network takes one window at least")


class Outcome(NamedTuple):
    """What became of one input of ``predict_files``: the file written, or the reason why there is none."""

    source: Path
    target: Path | None
    error: str | None


class _Output(NamedTuple):
    """A result file and its rows so far."""

    path: Path
    result: Result
    spool: Spool


class FileJob:
    """A file for `run`.

    Args:
        target: The file to write, or a folder, where it gets the name of ``source`` and a fitting ending.
        how: Everything but the file that the result depends on; None if that is not known, and nothing can be
            resumed.
        background: Opens, reads and writes.

    Attributes:
        tell: Called with a sentence for the user.
        ended: Called when there is an outcome.
        progress: Called with the number of windows done and their total.
        outcome: What became of it, in the end.
        error: Why it failed, if it did.
    """

    def __init__(
        self,
        source: Path,
        target: Path,
        contract: Contract,
        options: Options,
        *,
        how: str | None,
        background: Executor,
    ) -> None:
        self.source, self.target, self.contract, self.options = source, target, contract, options
        self.tell: Callable[[str], None] = lambda _: None
        self.ended: Callable[[FileJob], None] = lambda _: None
        self.progress: Progress | None = None
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self._how, self._background = how, background
        self._opening: Future[ImageJob] | None = None
        self._opened: Source | None = None
        self._outputs: list[_Output] = []

    def prepare(self) -> None:
        """Open and judge the image in the background."""
        self._opening = self._background.submit(self._open)

    def windows(self) -> Iterator[np.ndarray | None]:
        """Inputs of the network."""
        yield from self._image().windows()

    def add(self, logits: np.ndarray | None) -> None:
        """The answer to the next window."""
        self._image().add(logits)

    def done(self) -> None:
        """Write the results under their names."""
        self._image().done()
        contract = self.contract
        for path, result, spool in self._outputs:
            cloud = self.options.get("cloud", False)
            pieces: Iterable[np.ndarray] = spool.pieces()
            if result.dtype == "uint8":
                pieces = cleaned_pieces(pieces, contract.cleaning, layers=contract.data.multilabel)
            write_result(path, pieces, self._file().geometry, result, cloud=cloud)
        self._polygons()
        self.outcome = Outcome(self.source, self._outputs[0].path, None)
        self._close(keep=False)
        self.ended(self)

    def fail(self, error: Exception) -> None:
        """Tell what went wrong; rows that are done stay for another try unless the file is at fault."""
        self._close(keep=not isinstance(error, ValueError))
        if not isinstance(error, ValueError | OSError | ImportError | MemoryError):
            raise error
        self.error = error
        self.outcome = Outcome(self.source, None, str(error) or f"{self.source}: {type(error).__name__}")
        self.ended(self)

    def leave(self) -> None:
        """Let go of everything, so that another try can go on."""
        self._close(keep=True)

    def _polygons(self) -> None:
        """The label map's outlines, if they are wanted."""
        source, form = self._file(), self.options.get("vector")
        if form is not None:
            tolerance = parse_tolerance(self.options.get("simplify", 0), source.spacing, source.unit)
            labels = self._outputs[0].path
            target = labels.with_name(f"{stem(labels)}.{form}")
            data = self.contract.data
            write_polygons(
                target,
                labels,
                source.geometry,
                data.classes,
                multilabel=data.multilabel,
                tolerance=tolerance,
            )

    def _file(self) -> Source:
        """The image on its own grid."""
        assert self._opened is not None
        return self._opened

    def _image(self) -> ImageJob:
        assert self._opening is not None
        return self._opening.result()

    def _close(self, *, keep: bool) -> None:
        if self._opening is not None and not self._opening.exception():
            self._opening.result().abandon()
        for output in self._outputs:
            output.spool.close(keep=keep)
        if self._opened is not None:
            self._opened.close()
        self._opening, self._opened, self._outputs = None, None, []

    def _open(self) -> ImageJob:
        data = self.contract.data
        source = self._opened = open_image(self.source, bands=data.bands, nodata=data.nodata)
        check_source(source, data, str(self.source))
        resampled = grid_size(source, data, str(self.source)) != source.size  # whose pieces are other bands
        wanted = self._wanted(source)
        self._allow(source)
        key = None if self._how is None or resampled else key_of(self.source, self._how)
        for path, result, _, _ in wanted:
            spool = path.with_name(f".{path.name}.part")
            self._outputs.append(
                _Output(path, result, Spool(spool, key, (result.count, *source.size), result.dtype))
            )
        done = min(len(output.spool) for output in self._outputs)
        for output in self._outputs:
            output.spool.shorten(done)
        outputs = [
            Output(decode, result.count, result.dtype, missing, output.spool)
            for (_, result, decode, missing), output in zip(wanted, self._outputs, strict=True)
        ]
        seen, results, scale = on_grid(source, self.contract, outputs, str(self.source))
        return ImageJob(
            seen,
            self.contract,
            results,
            scale=scale,
            done=done,
            background=self._background,
            progress=self.progress,
        )

    def _wanted(self, source: Source) -> list[tuple[Path, Result, Decode, float]]:
        """The files to write, what they hold, how it is made, and what stands where there is no data."""
        data, geometry = self.contract.data, source.geometry
        if self.options.get("probabilities", False) or self.options.get("entropy", False):
            require_classes(self.contract)
        layers = data.multilabel or data.target is not None
        target = self.target
        if target.is_dir() and target.suffix != ".zarr":
            usual = output_suffix(geometry, layers=layers, numbers=data.target is not None)
            ending = self.options.get("format") or usual
            target = target / f"{title(self.source)}.{ending.removeprefix('.')}"
        if target.resolve() == self.source.resolve():
            raise ValueError(f"{target}: would overwrite the input; choose another folder or name")
        require_format(target, geometry, layers=layers, numbers=data.target is not None)
        if not target.parent.is_dir():
            raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist")
        self._require_polygons(source, target)
        names = data.outputs
        numbers = Result(len(names), "float32", math.nan, names)
        if data.target is not None:
            return [(target, numbers, values_of_outputs, math.nan)]
        wanted: list[tuple[Path, Result, Decode, float]] = [
            (target, labels_of(data.classes, many=data.multilabel), labels_of_logits, IGNORE)
        ]
        if self.options.get("probabilities", False):
            wanted.append(self._beside(target, geometry, "probabilities", numbers, probabilities_of_logits))
        if self.options.get("entropy", False):
            count = entropies(self.contract)
            layers_of = names if count > 1 else ("entropy",)
            result = Result(count, "float32", math.nan, layers_of)
            wanted.append(self._beside(target, geometry, "entropy", result, entropy_of_logits))
        return wanted

    def _beside(
        self, target: Path, geometry: Geometry, word: str, result: Result, decode: Decode
    ) -> tuple[Path, Result, Decode, float]:
        """Numbers that lie beside the label map, as an entry of `_wanted`."""
        path = target.with_name(f"{stem(target)}_{word}{output_suffix(geometry, layers=True, numbers=True)}")
        return path, result, decode, math.nan if isinstance(geometry, RasterGeometry) else 0.0

    def _require_polygons(self, source: Source, target: Path) -> None:
        """Refuse polygons that could not be made in the end."""
        form = self.options.get("vector")
        if form is None:
            return
        require_classes(self.contract)
        require_polygons(form, source.geometry, str(self.source))
        parse_tolerance(self.options.get("simplify", 0), source.spacing, source.unit)
        if target.suffix == ".npy":
            raise FileError(f"{self.source}: layers of a picture have no polygons; store it as TIFF")

    def _allow(self, source: Source) -> None:
        """Tell how much memory a large image takes, and refuse one that would take too much."""
        need, limit = memory_of(source, self.contract, self.options), self.options.get("max_ram")
        size = " x ".join(map(str, source.size))
        if limit is not None and need > parse_bytes(limit):
            raise FileError(
                f"{self.source}: {size} pixels take {readable(need)} of memory beside the network, more than "
                f"max_ram={limit}; allow more, or take a smaller batch_size or overlap"
            )
        if need >= _WORTH_TELLING:
            self.tell(f"{self.source}: {size} pixels, up to {readable(need)} of memory beside the network")


def memory_of(source: Source, contract: Contract, options: Options) -> int:
    """Bytes that an image takes at most, beside the network."""
    count = len(contract.data.outputs)
    per_pixel = 4 * count if contract.data.target else count if contract.data.multilabel else 1
    if options.get("probabilities", False):
        per_pixel += 4 * count
    if options.get("entropy", False):
        per_pixel += 4 * entropies(contract)
    size = grid_size(source, contract.data, "the image")
    if size != source.size:  # logits wait for their rows
        per_pixel += 8 * channels(contract)
        source = Resampled(source, size)
    need = tiling_bytes(
        source, contract, batch_size=options.get("batch_size", DEFAULT_BATCH), per_pixel=per_pixel
    )
    if contract.cleaning:  # two whole label maps, the parts of one, and masks
        need = max(need, (2 * (count if contract.data.multilabel else 1) + 8) * math.prod(source.size))
    return need
