"""``unetzoo-infer``: an exported model on pictures, GeoTIFFs and NIfTI volumes."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .describe import describe
from .predictor import Predictor

OK, USER_ERROR, PARTLY_DONE = 0, 2, 4

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 2 user error (one sentence on standard error), 4 some inputs failed."""
    arguments = _parser().parse_args(argv)
    try:
        predictor = _load(arguments.model, arguments.device, arguments.threads)
        if arguments.describe:
            print(describe(predictor.contract))
            return OK
        if not arguments.inputs or arguments.out is None:
            raise ValueError("give the images to predict and the folder for the results: -o out/")
        outcomes = predictor.predict_files(
            arguments.inputs,
            arguments.out,
            probabilities=arguments.probabilities,
            flips=arguments.flips,
            batch_size=arguments.batch_size,
        )
    except (ValueError, OSError, ImportError) as error:
        if arguments.verbose:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    done = [outcome for outcome in outcomes if outcome.target is not None]
    if done:
        print(f"{len(done)} of {len(outcomes)} predicted, results in {arguments.out}")
    if len(done) == len(outcomes):
        return OK
    return PARTLY_DONE if done else USER_ERROR


def _load(model: Path, device: str, threads: int | None) -> Predictor:
    if device == "openvino":
        return Predictor.from_openvino(model, threads=threads)
    return Predictor.from_onnx(model, threads=threads, providers=[_PROVIDERS[device]])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage above it."""
        self.exit(USER_ERROR, f"error: {message} (unetzoo-infer --help tells more)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="unetzoo-infer",
        description="Segment files with a model exported by unetzoo. Results keep the place of their input: "
        "CRS and transform of a GeoTIFF, affine and axes of a NIfTI volume, the size of a picture.",
    )
    parser.add_argument("model", type=Path, help="ONNX file")
    parser.add_argument(
        "inputs", nargs="*", type=Path, help="images (PNG, JPG, TIFF, NIfTI ...) or folders of them"
    )
    parser.add_argument("-o", "--out", type=Path, help="folder for the label maps, made if missing")
    parser.add_argument(
        "--describe", action="store_true", help="say what the model takes and gives, and stop"
    )
    parser.add_argument("--probabilities", action="store_true", help="also write the classes' probabilities")
    parser.add_argument(
        "--flips", action="store_true", help="average over mirrored images: slower, often better"
    )
    parser.add_argument("--threads", type=_positive, metavar="N", help="of the CPU, default all")
    parser.add_argument(
        "--batch-size", type=_positive, default=4, metavar="N", help="tiles at a time, default 4"
    )
    parser.add_argument(
        "--device", choices=(*_PROVIDERS, "openvino"), default="cpu", help="what computes, default cpu"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)
