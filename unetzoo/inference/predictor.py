"""From an image to a label map, and from files to files; evaluation uses the same function."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

import numpy as np

from .backends import open_network
from .bulk import Bulk
from .check import check_source
from .cleaning import clean
from .contract import IGNORE, Contract
from .decode import channels, labels_of_logits, probabilities_of_logits, require_classes, values_of_outputs
from .ensemble import Ensemble, Member
from .filejob import DEFAULT_BATCH, FileJob, Options, Outcome, memory_of, require_sensible
from .geometry import Image
from .image import open_image
from .imagejob import ImageJob, Output, Sink
from .network import OnnxNetwork
from .openvino_network import OpenVinoNetwork
from .resample import on_grid
from .source import ImageSource, Source
from .tiling import Job, run
from .views import averaged, views
from .windows import Network

__all__ = ["Options", "Outcome", "Prediction", "Predictor", "Seen"]

_THREADS = 3  # one reads, one writes, one opens the next file


class Prediction(NamedTuple):
    """Labels, uint8 (*size) or (K, *size) if classes overlap, and probabilities, float32 (K, *size).

    Where the image has no data, labels are ``IGNORE`` and probabilities 0.
    """

    labels: np.ndarray
    probabilities: np.ndarray


class Seen(TypedDict, total=False):
    """How an image in memory is predicted; see `Predictor.predict`."""

    flips: bool
    rotations: bool
    batch_size: int
    progress: Callable[[int, int], None] | None


class Predictor:
    """A network and its contract.

    Args:
        network: (B, C, *tile) float32 to logits (B, K, *tile); numpy in, numpy out.
    """

    def __init__(self, network: Network, contract: Contract) -> None:
        self.network = network
        self.contract = contract

    # these make a plain Predictor, also when called on a subclass whose constructor takes something else
    @staticmethod
    def open(
        paths: str | Path | Sequence[str | Path],
        *,
        backend: str = "onnxruntime",
        device: str = "cpu",
        threads: int | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> "Predictor":
        """The predictor that an exported file describes, or the mean of several, such as the folds of one.

        Args:
            backend: ``onnxruntime``, ``openvino``, or ``auto``: the fastest on a short warm-up.
            device: ``cpu``, ``cuda`` or ``tensorrt``, the latter two of ONNX Runtime.
            threads: Of one operation on the CPU; None lets the back end take all cores.
            tell: Called with a sentence that says what computes, where there was a choice.

        Raises:
            ValueError: If a file is damaged or none of ours, what was asked for is missing, or the files
                contradict each other.
            ImportError: If the back end is not installed.
        """
        several = [paths] if isinstance(paths, str | Path) else list(paths)
        networks = [open_network(path, backend, device, threads, tell) for path in several]
        if len(networks) == 1:
            return Predictor(networks[0], networks[0].contract)
        members = zip(networks, several, strict=True)
        mean = Ensemble([Member(network, network.contract, str(path)) for network, path in members])
        return Predictor(mean, mean.contract)

    @staticmethod
    def from_onnx(
        path: str | Path, *, threads: int | None = None, providers: Sequence[str] | None = None
    ) -> "Predictor":
        """The predictor that an ONNX file exported by unetzoo describes; see ``OnnxNetwork``."""
        network = OnnxNetwork(path, threads=threads, providers=providers)
        return Predictor(network, network.contract)

    @staticmethod
    def from_openvino(path: str | Path, *, threads: int | None = None) -> "Predictor":
        """The same predictor computed by OpenVINO; see ``OpenVinoNetwork``."""
        network = OpenVinoNetwork(path, threads=threads)
        return Predictor(network, network.contract)

    def check(self, image: Image | Source, name: str) -> None:
        """Refuse an image that contradicts the contract, see `check_source`; ``name`` is for the message."""
        check_source(_source(image), self.contract.data, name)

    def logits(self, image: Image, **how: Unpack[Seen]) -> np.ndarray:
        """What the network says of the normalised image, (channels, *size) float32; 0 far from any data.

        Args: as of `predict`.
        """
        kept = _Kept(channels(self.contract), image, "float32")
        self.hand_logits(image, kept, **how)
        return kept.array

    def hand_logits(self, image: Image, to: Sink, **how: Unpack[Seen]) -> None:
        """`logits`, some rows (channels, rows, *rest) at a time, from the first to the last."""
        count = channels(self.contract)
        self._compute(image, [Output(lambda logits, _: logits, count, "float32", None, to)], how)

    def labels(self, image: Image, *, probabilities: Sink | None = None, **how: Unpack[Seen]) -> np.ndarray:
        """The label map of an image alone; other arguments and errors as of `predict`.

        Args:
            probabilities: Is handed them, some rows (K, rows, *rest) at a time, from the first to the last,
                0 where the image has no data. None are kept.
        """
        require_classes(self.contract)
        data = self.contract.data
        kept = _Kept(len(data.classes) if data.multilabel else 1, image, "uint8")
        outputs = [Output(labels_of_logits, len(kept.array), "uint8", IGNORE, kept)]
        if probabilities is not None:
            outputs.append(Output(probabilities_of_logits, len(data.classes), "float32", 0, probabilities))
        self._compute(image, outputs, how)
        return self._cleaned(kept.array if data.multilabel else kept.array[0])

    def predict(self, image: Image, **how: Unpack[Seen]) -> Prediction:
        """Labels and probabilities of an image.

        Args:
            flips: Average over the flips of all axes.
            rotations: Average over quarter turns in the plane.
            batch_size: Windows per call of the network.
            progress: Called with the number of windows done and their total.

        Raises:
            ValueError: If the model predicts an image and no classes.
        """
        kept = _Kept(len(self.contract.data.classes), image, "float32")
        return Prediction(self.labels(image, probabilities=kept, **how), kept.array)

    def values(self, image: Image, **how: Unpack[Seen]) -> np.ndarray:
        """The image predicted from an image, (K, *size) float32 in the target's unit, NaN without data.

        Args: as of `predict`.

        Raises:
            ValueError: If the model predicts classes.
        """
        kept = _Kept(len(self.contract.data.outputs), image, "float32")
        self.hand_values(image, kept, **how)
        return kept.array

    def hand_values(self, image: Image | Source, to: Sink, **how: Unpack[Seen]) -> None:
        """`values`, some rows (K, rows, *rest) at a time, from the first to the last.

        Args:
            image: One that is not in memory is read a few rows at a time, too.
        """
        target = self.contract.data.target
        if target is None:
            raise ValueError(f"{self.contract.name} predicts classes and no image; call predict()")
        self._compute(image, [Output(values_of_outputs, len(target.bands), "float32", np.nan, to)], how)

    def memory(self, source: str | Path, **options: Unpack[Options]) -> int:
        """Bytes that predicting a file holds at most, beside the network; the image is not read for it."""
        data = self.contract.data
        with open_image(source, bands=data.bands, nodata=data.nodata) as image:
            return memory_of(image, self.contract, options)

    def predict_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        progress: Callable[[int, int], None] | None = None,
        **options: Unpack[Options],
    ) -> Path:
        """Write the label map of a file, or the image predicted from it, in its own place, and return where.

        The file is read, predicted and written a band at a time, so it may be larger than memory. The result
        appears under its name when it is complete; what an interrupted call has computed is used by the next.

        Args:
            target: The file to write, or a folder, where it gets the name of ``source`` and a fitting ending.
            progress: Called with the number of windows done and their total.
            options: See `Options`.
        """
        require_sensible(options)
        with ThreadPoolExecutor(_THREADS) as background:
            job = self._file_job(Path(source), Path(target), options, background)
            job.progress = progress
            self._run_files([job], options)
        if job.error is not None:
            raise job.error
        assert job.outcome is not None
        assert job.outcome.target is not None
        return job.outcome.target

    def predict_files(
        self, inputs: Sequence[str | Path], out: str | Path, **options: Unpack[Options]
    ) -> list[Outcome]:
        """Label maps of files and of all images in folders, with a progress bar on standard error.

        A file that fails is reported there and does not stop the others; subfolders are kept. After an
        interruption the same call finishes what is missing.

        Args:
            options: See `Options`.

        Raises:
            FileNotFoundError: If an input is missing.
            OSError: If the output folder cannot be written.
            ValueError: If a folder holds no images, two inputs would be written to one file, or an option is
                out of range.
        """
        require_sensible(options)
        bulk = Bulk(inputs, out, self.recipe(options))

        def ended(job: FileJob) -> None:
            assert job.outcome is not None
            bulk.note(job.outcome)
            bulk.ended(job.outcome)

        def jobs(background: Executor) -> Iterator[FileJob]:
            for source, folder in bulk.rest():
                job = self._file_job(source, folder, options, background)
                job.tell, job.ended, job.progress = bulk.bar.say, ended, bulk.bar.part
                bulk.bar.start(source.name)
                yield job

        with ThreadPoolExecutor(_THREADS) as background:
            self._run_files(jobs(background), options)
        return bulk.close()

    def _file_job(self, source: Path, target: Path, options: Options, background: Executor) -> FileJob:
        return FileJob(
            source, target, self.contract, options, how=self.recipe(options), background=background
        )

    def _run_files(self, jobs: Iterable[FileJob], options: Options) -> None:
        begun: list[FileJob] = []
        try:
            self._run(_ahead(jobs, begun), options)
        except BaseException:  # Ctrl-C, too: what is done stays for another try
            for job in begun:
                job.leave()
            raise

    def _run(self, jobs: Iterable[Job], options: Options) -> None:
        ways = views(
            self.contract.data.tile,
            flips=options.get("flips", False),
            rotations=options.get("rotations", False),
        )
        run(jobs, averaged(self.network, ways), batch_size=options.get("batch_size", DEFAULT_BATCH))

    def recipe(self, options: Options) -> str | None:
        """Everything but the image that a result depends on; None if the network cannot tell who it is."""
        identity = getattr(self.network, "identity", None)
        if identity is None:
            return None
        kept = {key: value for key, value in sorted(options.items()) if key not in ("batch_size", "max_ram")}
        return json.dumps([identity, self.contract.to_json(), kept])

    def _compute(self, image: Image | Source, outputs: Sequence[Output], how: Seen) -> None:
        """Results of one image."""
        source, results, scale = on_grid(_source(image), self.contract, outputs, "the image")
        job = _Strict(source, self.contract, results, scale=scale, progress=how.get("progress"))
        options: Options = {
            "flips": how.get("flips", False),
            "rotations": how.get("rotations", False),
            "batch_size": how.get("batch_size", DEFAULT_BATCH),
        }
        self._run([job], options)

    def _cleaned(self, labels: np.ndarray) -> np.ndarray:
        layers = self.contract.data.multilabel
        if not self.contract.cleaning:
            return labels
        whole = clean(labels if layers else labels[None], self.contract.cleaning, layers=layers)
        return whole if layers else np.asarray(whole[0])


class _Strict(ImageJob):
    """The only image there is: whatever goes wrong with it is the caller's."""

    def fail(self, error: Exception) -> None:
        raise error


class _Kept:
    """A result in memory, (count, *size)."""

    def __init__(self, count: int, image: Image, dtype: str) -> None:
        self.array = np.empty((count, *image.valid.shape), dtype)
        self._row = 0

    def append(self, piece: np.ndarray) -> None:
        self.array[:, self._row : self._row + piece.shape[1]] = piece
        self._row += piece.shape[1]


def _source(image: Image | Source) -> Source:
    return image if isinstance(image, Source) else ImageSource(image)


def _ahead(jobs: Iterable[FileJob], begun: list[FileJob]) -> Iterator[FileJob]:
    """The same jobs, the next of which is opened while one is computed; those under way are in ``begun``."""
    waiting: FileJob | None = None
    for job in jobs:
        job.prepare()
        begun[:] = [*(other for other in begun if other.outcome is None), job]
        if waiting is not None:
            yield waiting
        waiting = job
    if waiting is not None:
        yield waiting
