"""From an image to a label map, and from files to files; evaluation uses the same function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .check import check_image
from .contract import IGNORE, Contract
from .geometry import Image
from .image import output_suffix, read_image, stem, write_labels, write_probabilities, write_values
from .jobs import make_folder, plan
from .network import OnnxNetwork
from .normalise import normalise
from .openvino_network import OpenVinoNetwork
from .progress import Bar
from .tiling import Network, predict_tiled


class Prediction(NamedTuple):
    """Labels, uint8 (*size) or (K, *size) if classes overlap, and probabilities, float32 (K, *size).

    Where the image has no data, labels are ``IGNORE`` and probabilities 0.
    """

    labels: np.ndarray
    probabilities: np.ndarray


class Outcome(NamedTuple):
    """What became of one input of ``predict_files``: the file written, or the reason why there is none."""

    source: Path
    target: Path | None
    error: str | None


class Predictor:
    """A network and its contract.

    Args:
        network: (B, C, *tile) float32 to logits (B, K, *tile); numpy in, numpy out.
    """

    def __init__(self, network: Network, contract: Contract) -> None:
        self.network = network
        self.contract = contract

    # these two make a plain Predictor, also when called on a subclass whose constructor takes something else
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

    def check(self, image: Image, name: str) -> None:
        """Refuse an image that contradicts the contract, see ``check_image``; ``name`` is for the message."""
        check_image(image, self.contract.data, name)

    def logits(
        self,
        image: Image,
        *,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """What the network says of the normalised image, (channels, *size) float32."""
        return predict_tiled(
            self.network,
            normalise(image, self.contract.data.normalisation),
            tile=self.contract.data.tile,
            overlap=self.contract.overlap,
            blend=self.contract.blend,
            batch_size=batch_size,
            flips=flips,
            progress=progress,
        )

    def predict(
        self,
        image: Image,
        *,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> Prediction:
        """Labels and probabilities of an image.

        Args:
            flips: Average over the flips of all axes.
            batch_size: Tiles per call of the network.
            progress: Called with the number of tiles done and their total.

        Raises:
            ValueError: If the model predicts an image and no classes.
        """
        data = self.contract.data
        if data.target is not None:
            raise ValueError(
                f"{self.contract.name} predicts an image ({', '.join(data.target.bands)}) and no classes; "
                "call values() instead of predict(), and leave probabilities false"
            )
        if image.valid.any():
            logits = self.logits(image, flips=flips, batch_size=batch_size, progress=progress)
            probabilities = _probabilities(logits, self.contract)
        else:
            probabilities = np.zeros((len(data.classes), *image.valid.shape), np.float32)
        labels = (probabilities > 0.5 if data.multilabel else probabilities.argmax(axis=0)).astype(np.uint8)
        labels[..., ~image.valid] = IGNORE
        probabilities[:, ~image.valid] = 0
        return Prediction(labels, probabilities)

    def values(
        self,
        image: Image,
        *,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """The image predicted from an image, (K, *size) float32 in the target's unit, NaN without data.

        Args: as of `predict`.

        Raises:
            ValueError: If the model predicts classes.
        """
        target = self.contract.data.target
        if target is None:
            raise ValueError(f"{self.contract.name} predicts classes and no image; call predict()")
        found = np.full((len(target.bands), *image.valid.shape), np.nan, np.float32)
        if image.valid.any():
            outputs = self.logits(image, flips=flips, batch_size=batch_size, progress=progress)
            if len(outputs) != len(found):
                raise ValueError(
                    f"the network gives {len(outputs)} channel(s) where its contract says {len(found)}"
                )
            for band, output, mean, std in zip(found, outputs, target.mean, target.std, strict=True):
                band[image.valid] = output[image.valid] * np.float32(std) + np.float32(mean)
        return found

    def predict_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        probabilities: bool = False,
        flips: bool = False,
        batch_size: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write the label map of a file, or the image predicted from it, in its own place, and return where.

        Args:
            target: The file to write, or a folder, where it gets the name of ``source`` and a fitting ending.
            probabilities: Also write ``<name>_probabilities`` beside it (GeoTIFF, 4D NIfTI, or .npy).
        """
        source, target = Path(source), Path(target)
        data = self.contract.data
        image = read_image(source, bands=data.bands, nodata=data.nodata)
        self.check(image, str(source))
        if target.is_dir():
            layers = data.multilabel or data.target is not None
            target = target / (stem(source) + output_suffix(image, layers=layers))
        if target.resolve() == source.resolve():
            raise ValueError(f"{target}: would overwrite the input; choose another folder or name")
        if data.target is not None and not probabilities:
            values = self.values(image, flips=flips, batch_size=batch_size, progress=progress)
            write_values(target, values, image, data.target.bands)
            return target
        prediction = self.predict(image, flips=flips, batch_size=batch_size, progress=progress)
        write_labels(target, prediction.labels, image, data.classes)
        if probabilities:
            beside = target.with_name(f"{stem(target)}_probabilities{output_suffix(image, layers=True)}")
            write_probabilities(beside, prediction.probabilities, image, [c.name for c in data.classes])
        return target

    def predict_files(
        self,
        inputs: Sequence[str | Path],
        out: str | Path,
        *,
        probabilities: bool = False,
        flips: bool = False,
        batch_size: int = 4,
    ) -> list[Outcome]:
        """Label maps of files and of all images in folders, with a progress bar on standard error.

        A file that fails is reported there and does not stop the others; subfolders are kept.

        Raises:
            FileNotFoundError: If an input is missing.
            OSError: If the output folder cannot be written.
            ValueError: If a folder holds no images, or two inputs would be written to one file.
        """
        jobs = plan(inputs, out)
        made = [folder for folder in sorted({job.folder for job in jobs}) if make_folder(folder)]
        outcomes = []
        bar = Bar(len(jobs))
        for source, folder in jobs:
            bar.start(source.name)
            try:
                target = self.predict_file(
                    source,
                    folder,
                    probabilities=probabilities,
                    flips=flips,
                    batch_size=batch_size,
                    progress=bar.part,
                )
                outcomes.append(Outcome(source, target, None))
            except (ValueError, OSError, ImportError, MemoryError) as error:
                message = str(error) or f"{source}: {type(error).__name__}"
                outcomes.append(Outcome(source, None, message))
                bar.say(f"error: {message}")
            bar.finish()
        bar.close()
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        return outcomes


def _probabilities(logits: np.ndarray, contract: Contract) -> np.ndarray:
    """(channels, *size) logits to (K, *size); one logit for two classes gives both their probabilities."""
    channels = (
        1 if contract.activation == "sigmoid" and not contract.data.multilabel else len(contract.data.classes)
    )
    if len(logits) != channels:
        raise ValueError(f"the network gives {len(logits)} channel(s) where its contract says {channels}")
    if contract.activation == "softmax":
        exponentials = np.exp(logits - logits.max(axis=0))
        return np.asarray(exponentials / exponentials.sum(axis=0))
    # the logistic function in a form that does not overflow
    p = np.exp(-np.logaddexp(np.float32(0), -logits))
    return p if contract.data.multilabel else np.concatenate([1 - p, p])
