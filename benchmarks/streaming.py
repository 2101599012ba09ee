"""Prediction of images larger than memory, beside MONAI's sliding window.

    python -m benchmarks.streaming memory          30,000 x 30,000 x 4 pixels, 512 x 512 x 1,000 voxels
    python -m benchmarks.streaming throughput --threads 2 --rounds 3       8,192 x 8,192 x 4 pixels

``memory`` runs both commands and reports the most memory that is each process's own (RssAnon), less that of
the same command on an image of one batch of windows, at half and at full height; the network is one 1 x 1
convolution, so nearly all of it is tiling, and every pixel of the result is compared with what it must be.
``throughput`` runs one exported network, from GeoTIFF to label GeoTIFF, in our tiling and in
``monai.inferers.SlidingWindowInferer`` (Gaussian, overlap 0.25, the same windows and batch), both in ONNX
Runtime, in processes of their own that take turns.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import onnx
import rasterio
from onnx import TensorProto, helper, numpy_helper

from unetzoo.inference import METADATA_KEY, ClassSpec, Contract, DataSpec, Normalisation
from unetzoo.inference.filejob import DEFAULT_BATCH

CLASSES, TILE = 7, 512
IMAGES = ("scenes", "volumes")
COMMANDS = ("unetzoo-infer", "unetzoo predict")
NETWORKS: dict[str, dict[str, Any] | None] = {
    "1 x 1 convolution": None,  # nothing but tiling
    "unet resnet34": {"encoder": "resnet34"},
    "unet mobilenetv3_large": {"encoder": "mobilenetv3_large"},
    "unet conv2d, 16 to 64 wide": {
        "encoder": "conv2d",
        "overrides": {"encoder.channels": [16, 32, 64], "decoder.channels": [16, 32]},
    },
}


class Run(NamedTuple):
    """Of one process: seconds, and the most bytes of memory that were its own."""

    seconds: float
    peak: int


def main() -> None:
    """Measure what the arguments say and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["memory", "throughput", "monai"])
    parser.add_argument("files", nargs="*", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help="of the image, in pixels a side")
    parser.add_argument("--depth", type=int, default=1000, help="of the volume, in slices")
    parser.add_argument("--images", nargs="+", choices=IMAGES, default=IMAGES, help="for memory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS], default=[*NETWORKS])
    args = parser.parse_args()
    if args.what == "monai":
        model, image, out = args.files
        _monai(model, image, out, args.threads, args.batch)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        if args.what == "memory":
            _memory(Path(folder), args)
        else:
            _throughput(Path(folder), args)


def _memory(folder: Path, args: argparse.Namespace) -> None:
    print("| image | command | peak less that of one batch, MiB | seconds |\n|---|---|---:|---:|", flush=True)
    if "scenes" in args.images:
        width = args.size or 30_000
        model = _pointwise(folder / "scene.onnx", 2, bands=4, tile=(TILE, TILE))
        small = _scene(folder / "small.tif", 2 * TILE, TILE + 1, top=2000)
        for height in (width // 2, width):
            path = _scene(folder / f"{height}.tif", height, width)
            _compare(f"GeoTIFF {height} x {width} x 4", model, small, path, args.threads, args.commands)
            path.unlink()
    if "volumes" in args.images:
        model = _pointwise(folder / "volume.onnx", 3, bands=1, tile=(96, 96, 96))
        small = _volume(folder / "small.nii", 97, 96)
        for slices in (args.depth // 2, args.depth):
            path = _volume(folder / f"{slices}.nii.gz", 512, slices)
            _compare(f"NIfTI 512 x 512 x {slices}", model, small, path, args.threads, args.commands)
            path.unlink()


def _throughput(folder: Path, args: argparse.Namespace) -> None:
    size = args.size or 8192
    scene = _scene(folder / "scene.tif", size, size)
    small = _scene(folder / "small.tif", 2 * TILE, TILE + 1, top=2000)
    print("| network | engine | seconds | Mpx/s | ratio | peak less that of one batch, MiB | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)
    for name in args.networks:
        model, options = folder / "net.onnx", NETWORKS[name]
        if options is None:
            _pointwise(model, 2, bands=4, tile=(TILE, TILE))
        else:
            _network(model, options)
        ours, out = folder / "out" / "scene.tif", folder / "monai.tif"
        how = ["--threads", str(args.threads), "--batch", str(args.batch)]
        infer = [*_command("unetzoo-infer", model, scene, args.threads), "--batch-size", str(args.batch)]
        monai = [
            sys.executable,
            "-m",
            "benchmarks.streaming",
            "monai",
            str(model),
            str(scene),
            str(out),
            *how,
        ]
        commands = {"MONAI": monai, "unetzoo-infer": infer}
        base = {
            engine: _run([str(small) if word == str(scene) else word for word in command])
            for engine, command in commands.items()
        }
        runs: dict[str, list[Run]] = {engine: [] for engine in commands}
        for _ in range(args.rounds):
            for engine, command in commands.items():
                runs[engine].append(_run(command))
        with rasterio.open(ours) as a, rasterio.open(out) as b:
            found, expected = a.read(1), b.read(1)
            same = (found == expected)[found != 255].mean()
        seconds = {engine: median(run.seconds for run in rows) for engine, rows in runs.items()}
        rise = {engine: max(run.peak for run in rows) - base[engine].peak for engine, rows in runs.items()}
        for engine in commands:
            print(
                f"| {name} | {engine} | {seconds[engine]:.1f} | {size**2 / 1e6 / seconds[engine]:.2f} "
                f"| {seconds['MONAI'] / seconds[engine]:.2f} | {rise[engine] / 2**20:.0f} "
                f"| {rise[engine] / rise['MONAI']:.3f} |",
                flush=True,
            )
        print(f"labels agree on {same:.6%} of the pixels with data", file=sys.stderr, flush=True)


def _network(path: Path, options: dict[str, Any]) -> Path:
    import torch

    from unetzoo import create_model
    from unetzoo.onnx_export import export

    torch.manual_seed(0)
    model = create_model("unet", in_channels=4, classes=CLASSES, **options)
    how = Normalisation("fixed", mean=(120.0,) * 4, std=(60.0,) * 4)
    return export(model, path, data=_contract(how, 4, (TILE, TILE)).data, dynamic=False)


def _monai(model: Path, image: Path, out: Path, threads: int, batch: int) -> None:
    """What a user of MONAI writes around the same file."""
    import torch
    from monai.inferers.inferer import SlidingWindowInferer

    from unetzoo.inference import OnnxNetwork

    torch.set_num_threads(threads)
    network = OnnxNetwork(model, threads=threads)
    with rasterio.open(image) as source:
        profile, bands = source.profile, source.read()
    scale = network.contract.data.normalisation
    x = torch.from_numpy(bands).float().sub_(scale.mean[0]).div_(scale.std[0])[None]
    inferer = SlidingWindowInferer((TILE, TILE), batch, overlap=0.25, mode="gaussian")
    with torch.inference_mode():
        logits = inferer(x, lambda window: torch.from_numpy(network(window.numpy())))
        assert isinstance(logits, torch.Tensor)
        labels = logits.argmax(dim=1).to(torch.uint8).numpy()
    profile |= {"count": 1, "nodata": 255, "photometric": "minisblack"}
    with rasterio.open(out, "w", **profile) as target:
        target.write(labels)


def _compare(name: str, model: Path, small: Path, path: Path, threads: int, commands: Sequence[str]) -> None:
    """Rows of the table for one image; the label map is checked against its definition."""
    for command in commands:
        base = _run(_command(command, model, small, threads))
        run = _run(_command(command, model, path, threads))
        result = path.parent / "out" / path.name
        _verify(path, result)
        result.unlink()
        print(
            f"| {name} | {command} | {(run.peak - base.peak) / 2**20:.0f} | {run.seconds:.0f} |", flush=True
        )


def _command(command: str, model: Path, image: Path, threads: int) -> list[str]:
    out = image.parent / "out"
    if command == "unetzoo-infer":
        module = [sys.executable, "-m", "unetzoo.inference"]
        return [*module, str(model), str(image), "-o", str(out), "--threads", str(threads)]
    code = "import sys; from unetzoo.cli import main; sys.exit(main())"
    verb = [sys.executable, "-c", code, "predict"]
    return [*verb, f"ckpt={model}", f"inputs={image}", f"out={out}", f"threads={threads}"]


def _run(command: Sequence[str]) -> Run:
    begun, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - begun, peak)


def _anonymous(pid: int) -> int:
    """Bytes that are a process's own, and not pages of files that the system may drop."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has just ended
        return 0
    found = re.search(r"RssAnon:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def _pointwise(path: Path, ndim: int, *, bands: int, tile: tuple[int, ...]) -> Path:
    """Classes by the value of the first band, a seventh of 0..255 each: sums of one line per class."""
    k = np.arange(CLASSES, dtype=np.float32)
    weights = np.zeros((CLASSES, bands, *[1] * ndim), np.float32)
    weights[:, 0] = (2 * k).reshape(-1, *[1] * ndim)
    bias = (-k * (k + 1) * 36.3).astype(np.float32)
    axes = ["D", "H", "W"][-ndim:]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights", "bias"], ["logits"])],
        "pointwise",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", bands, *axes])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", CLASSES, *axes])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    how = Normalisation("fixed", mean=(0.0,) * bands, std=(1.0,) * bands)
    helper.set_model_props(proto, {METADATA_KEY: _contract(how, bands, tile).to_json()})
    onnx.save(proto, path)
    return path


def _contract(how: Normalisation, bands: int, tile: tuple[int, ...]) -> Contract:
    classes = tuple(ClassSpec(f"class {k}", (k,), (36 * k, 99, 255 - 36 * k)) for k in range(CLASSES))
    data = DataSpec(len(tile), tuple(f"b{i}" for i in range(bands)), classes, how, tile)
    return Contract("bench", data, "softmax", (1,) * len(tile), dynamic_size=True)


def _rows(first: int, count: int, width: int) -> np.ndarray:
    """Ramps (4, count, width) that any rows can be made of alone; a corner of the scene is empty."""
    y, x = np.arange(first, first + count), np.arange(width)
    rows, columns = (y // 5).astype(np.uint8)[:, None], (x // 7).astype(np.uint8)
    values = np.stack([rows + columns + np.uint8(60 * band) for band in range(4)]) | np.uint8(1)
    values[:, y < 2000, :3000] = 0
    return values


def _scene(path: Path, height: int, width: int, *, top: int = 0) -> Path:
    profile = {"driver": "GTiff", "count": 4, "dtype": "uint8", "height": height, "width": width, "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 5e5, 0, -0.5, 53e5)}
    how: dict[str, Any] = {"tiled": True, "compress": "deflate", "zlevel": 1, "photometric": "minisblack"}
    with rasterio.open(path, "w", **profile, **place, **how) as target:
        for first in range(0, height, 256):
            count = min(256, height - first)
            target.write(_rows(top + first, count, width), window=((first, first + count), (0, width)))
    return path


def _volume(path: Path, side: int, slices: int) -> Path:
    import nibabel

    values = np.stack([_rows(first, side, side)[0] for first in range(slices)], axis=-1)
    nib: Any = nibabel
    nib.save(nib.Nifti1Image(values, np.diag([0.7, 0.7, 1.5, 1])), path)
    return path


def _verify(source: Path, result: Path) -> None:
    """Every pixel of the result is what its definition says, and it lies where its source lies."""
    if result.suffix == ".tif":
        with rasterio.open(source) as given, rasterio.open(result) as found:
            assert (found.crs, found.transform, found.shape) == (given.crs, given.transform, given.shape)
            assert found.nodata == 255
            assert bool(found.overviews(1)) == (max(found.shape) >= 1024)
            for first in range(0, given.height, 2048):
                window = ((first, min(first + 2048, given.height)), (0, given.width))
                _verify_values(given.read(window=window), found.read(1, window=window))
        return
    import nibabel

    nib: Any = nibabel
    before, after = nib.load(source), nib.load(result)
    assert np.array_equal(before.affine, after.affine)
    _verify_values(np.asarray(before.dataobj)[None], np.asarray(after.dataobj), empty=False)


def _verify_values(bands: np.ndarray, labels: np.ndarray, *, empty: bool = True) -> None:
    # a line overtakes the one before it at a multiple of 36.3, which is no whole number here
    classes = np.minimum(np.arange(256) / 36.3, CLASSES - 1).astype(np.uint8)
    expected = classes[bands[0]]
    if empty:
        expected[(bands == 0).all(axis=0)] = 255
    assert np.array_equal(labels, expected)


if __name__ == "__main__":
    main()
