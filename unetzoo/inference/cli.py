"""``unetzoo-infer``: an exported model on pictures, GeoTIFFs and NIfTI volumes."""

import argparse
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from .allocation import give_back_large_blocks
from .backends import BACKENDS, PROVIDERS
from .contract import BLENDS
from .describe import describe
from .filejob import DEFAULT_BATCH, Options, Outcome
from .limits import Limits
from .memory import parse_bytes
from .predictor import Predictor
from .validate import validate
from .vector import FORMATS

OK, USER_ERROR, PARTLY_DONE = 0, 2, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 2 user error (one sentence on standard error), 4 some inputs failed."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.check:
            print("\n".join(validate(arguments.model)))
            return OK
        predictor = _open(arguments, arguments.threads)
        if arguments.describe:
            print(describe(predictor.contract))
            return OK
        options: Options = {key: getattr(arguments, key) for key in Options.__annotations__}  # type: ignore[assignment]
        if arguments.serve:
            _serve(predictor, arguments, options)
            return OK
        if not arguments.inputs or arguments.out is None:
            raise ValueError("give the images to predict and the folder for the results: -o out/")
        if arguments.workers is None:
            outcomes = predictor.predict_files(arguments.inputs, arguments.out, **options)
        else:
            outcomes = _on_ray(arguments, options)
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


def _open(arguments: argparse.Namespace, threads: int | None) -> Predictor:
    give_back_large_blocks()
    predictor = Predictor.open(
        [arguments.model, *arguments.ensemble],
        backend=arguments.backend,
        device=arguments.device,
        threads=threads,
        tell=lambda line: print(line, file=sys.stderr),
    )
    changes = {key: getattr(arguments, key) for key in ("overlap", "blend") if getattr(arguments, key)}
    predictor.contract = replace(predictor.contract, **changes)
    return predictor


def _on_ray(arguments: argparse.Namespace, options: Options) -> list[Outcome]:
    from .on_ray import predict_on_ray

    arguments.model = arguments.model.resolve()  # workers may be elsewhere
    arguments.ensemble = [path.resolve() for path in arguments.ensemble]
    return predict_on_ray(
        partial(_open, arguments),
        arguments.inputs,
        arguments.out,
        workers=arguments.workers,
        threads=arguments.threads,
        gpu=arguments.device != "cpu",
        **options,
    )


def _serve(predictor: Predictor, arguments: argparse.Namespace, options: Options) -> None:
    from .server import serve

    if arguments.inputs or arguments.out:
        raise ValueError("--serve takes its images over HTTP; leave out inputs and -o")
    limits = Limits(
        upload=parse_bytes(arguments.max_upload),
        pixels=arguments.max_pixels,
        queue=arguments.queue,
        seconds=arguments.max_seconds,
    )
    serve(predictor, host=arguments.host, port=arguments.port, limits=limits, **options)


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
        "inputs",
        nargs="*",
        type=Path,
        help="images (PNG, TIFF, NIfTI, folders of DICOM slices ...) or folders of them",
    )
    parser.add_argument("-o", "--out", type=Path, help="folder for the label maps, made if missing")
    parser.add_argument(
        "--describe", action="store_true", help="say what the model takes and gives, and stop"
    )
    parser.add_argument(
        "--check", action="store_true", help="see whether the file keeps what its contract says, and stop"
    )
    parser.add_argument("--probabilities", action="store_true", help="also write the classes' probabilities")
    parser.add_argument(
        "--entropy", action="store_true", help="also write how unsure the model is, 0 to 1 per pixel"
    )
    parser.add_argument(
        "--flips", action="store_true", help="average over mirrored images: slower, often better"
    )
    parser.add_argument("--rotations", action="store_true", help="average over quarter turns, too")
    parser.add_argument(
        "--ensemble", type=Path, nargs="+", default=[], metavar="MORE.onnx", help="average with these models"
    )
    parser.add_argument(
        "--overlap", type=float, metavar="F", help="of neighbouring tiles, 0 to 1, default the model's"
    )
    parser.add_argument("--blend", choices=BLENDS, help="where tiles overlap, default the model's")
    parser.add_argument("--cloud", action="store_true", help="write GeoTIFFs as cloud-optimised ones")
    parser.add_argument(
        "--format", metavar="nii.gz", help="of label maps of volumes, default that of the input"
    )
    parser.add_argument("--vector", choices=[*FORMATS], help="also write the classes' polygons")
    parser.add_argument(
        "--simplify", default="0", metavar="2px", help="tolerance of the polygons, 2px or 1.5m, default none"
    )
    parser.add_argument(
        "--max-ram", metavar="2GB", help="refuse what would hold more than this beside the network"
    )
    parser.add_argument("--threads", type=_positive, metavar="N", help="of the CPU, default all")
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=DEFAULT_BATCH,
        metavar="N",
        help="tiles at a time, default %(default)s",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="onnxruntime",
        help="what computes, default onnxruntime; auto takes the fastest on a short warm-up",
    )
    parser.add_argument("--device", choices=PROVIDERS, default="cpu", help="where, default cpu")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes on Ray, one file each (extra ray)"
    )
    serving = parser.add_argument_group("serving over HTTP (extra serve)")
    serving.add_argument(
        "--serve", action="store_true", help="answer POST /predict with the result's file, until interrupted"
    )
    serving.add_argument("--host", default="127.0.0.1", help="default %(default)s: this machine alone")
    serving.add_argument("--port", type=int, default=8000, metavar="N", help="default %(default)s")
    serving.add_argument(
        "--max-upload",
        default=Limits.upload,
        metavar="200MB",
        help="refuse longer requests, default %(default)s bytes",
    )
    serving.add_argument(
        "--max-pixels",
        type=_positive,
        default=Limits.pixels,
        metavar="N",
        help="refuse larger images before they are decoded, default %(default)s",
    )
    serving.add_argument(
        "--queue",
        type=_positive,
        default=Limits.queue,
        metavar="N",
        help="uploads that may wait; later ones are told when to come back (503), default %(default)s",
    )
    serving.add_argument(
        "--max-seconds",
        type=_positive,
        default=Limits.seconds,
        metavar="N",
        help="to receive an upload, and again to compute it, default %(default)s",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error comes from")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)
