"""The page in headless Chromium against the runtime; ``make test-web`` installs what this needs."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import PIL.Image
import pytest
import rasterio
import torch
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

import unetzoo
from unetzoo.inference import (
    METADATA_KEY,
    ClassSpec,
    Contract,
    DataSpec,
    Normalisation,
    Predictor,
    read_image,
)
from unetzoo.inference.integrity import CHECKSUM_KEY, checksum

ROOT = Path(__file__).parents[2]
WEB = ROOT / "export" / "web"
DEMO = ROOT / "runs" / "demo-seed0" / "model.onnx"
NUCLEI = ROOT / "data" / "demo_nuclei" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def _missing() -> str:
    """What keeps this from being run here, if anything."""
    for there, reason in (
        (shutil.which("npx"), "node is not installed"),
        (Path(CHROMIUM).exists(), f"there is no Chromium at {CHROMIUM}"),
        ((WEB / "node_modules").is_dir(), "export/web is not installed; run make web"),
        (DEMO.exists() and NUCLEI.is_dir(), "there is no demo model; run make demo"),
    ):
        if not there:
            return reason
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.mark.full  # make test-web runs it
def test_the_page_answers_as_the_runtime(tmp_path: Path) -> None:
    _build()
    cases = [_demo(tmp_path), *_made(tmp_path)]
    large = {"model": "rgb.onnx", "image": _picture(tmp_path / "large.png", (3000, 4000, 3)).name}
    everything = {"cases": cases, "refusals": list(_refusals(tmp_path)), "large": large}
    (tmp_path / "cases.json").write_text(json.dumps(everything))
    done = subprocess.run(
        ["npx", "vitest", "run", "--project", "browser", "--reporter", "verbose"],
        cwd=WEB,
        env={**os.environ, "UNETZOO_CASES": str(tmp_path), "CHROMIUM": CHROMIUM, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def _build() -> None:
    """The page from the sources as they are now."""
    built = WEB / "dist" / "index.html"
    sources = [*(WEB / "src").rglob("*"), *(WEB / "public").iterdir(), *WEB.glob("*.html"), *WEB.glob("*.ts")]
    if not built.exists() or built.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        subprocess.run(["npm", "run", "build"], cwd=WEB, check=True, capture_output=True)


def _case(folder: Path, name: str, model: str, image: str, area: str | None = None) -> dict[str, Any]:
    predictor = Predictor.from_onnx(folder / model, threads=1)
    data = predictor.contract.data
    labels = predictor.labels(read_image(folder / image, bands=data.bands, nodata=data.nodata))
    labels.tofile(folder / f"{name}.labels")
    shape = labels.shape if data.multilabel else (1, *labels.shape)
    return {
        "name": name,
        "model": model,
        "image": image,
        "shape": shape,
        "labels": f"{name}.labels",
        "area": area,
    }


def _demo(folder: Path) -> dict[str, Any]:
    """The demo's network on a picture it was developed with."""
    image = sorted(NUCLEI.iterdir())[0]
    shutil.copy(DEMO, folder / "demo.onnx")
    shutil.copy(image, folder)
    return _case(folder, "demo", "demo.onnx", image.name)


def _made(folder: Path) -> list[dict[str, Any]]:
    """Other kinds of networks and images."""
    rng = np.random.default_rng(0)
    bands = ("red", "green", "blue", "nir")
    percentile = Normalisation("percentile", low=1, high=99)
    _unet(folder / "scene.onnx", DataSpec(2, bands, _classes(5), percentile, (64, 96), nodata=0.0))
    scene = (rng.random((4, 150, 211)) * 9000 + _blobs((150, 211)) * 20000 + 1).astype(np.uint16)
    scene[:, :40, 180:] = 0
    with rasterio.open(
        folder / "scene.tif",
        "w",
        driver="GTiff",
        count=4,
        height=150,
        width=211,
        dtype="uint16",
        crs="EPSG:32632",
        transform=from_origin(4e5, 5e6, 2, 2),
        tiled=True,
        blockxsize=64,
        blockysize=64,
        compress="deflate",
        predictor=2,
    ) as target:
        target.write(scene)
        for i, name in enumerate(("nir", "red", "green", "blue"), start=1):
            target.set_band_description(i, name)
    _unet(
        folder / "grey.onnx",
        DataSpec(2, ("grey",), _classes(3), Normalisation("zscore"), (64, 64)),
        dynamic=False,
    )
    deep = (_blobs((70, 40)) * 50000 + rng.random((70, 40)) * 3000).astype(np.uint16)
    PIL.Image.fromarray(deep).save(folder / "deep.png")
    _conv(folder / "rgb.onnx", tile=(512, 512))
    _conv(folder / "layers.onnx", tile=(48, 32), multilabel=True)
    _picture(folder / "clear.png", (100, 90, 4))
    _picture(folder / "photo.jpg", (120, 131, 3))
    area = f"{_largest(folder, 'scene.onnx', 'scene.tif') * 4 / 1e4:.3g} ha"
    return [
        _case(folder, "georeferenced 16 bits, five classes", "scene.onnx", "scene.tif", area),
        _case(folder, "16 bits and one size, smaller than the tile", "grey.onnx", "deep.png"),
        _case(folder, "classes that overlap, transparent pixels", "layers.onnx", "clear.png"),
        _case(folder, "photograph", "layers.onnx", "photo.jpg"),
    ]


def _largest(folder: Path, model: str, image: str) -> int:
    predictor = Predictor.from_onnx(folder / model, threads=1)
    data = predictor.contract.data
    labels = predictor.labels(read_image(folder / image, bands=data.bands, nodata=data.nodata))
    return int(np.bincount(labels[labels != 255]).max())


def _refusals(folder: Path) -> Any:
    whole = (folder / "rgb.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "changed.onnx").write_bytes(
        whole.replace(np.float32(0.5).tobytes(), np.float32(0.25).tobytes(), 1)
    )
    (folder / "text.png").write_text("no picture")
    (folder / "text.tif").write_text("no picture")
    _conv(folder / "bare.onnx", tile=(64, 64), text=None)
    _conv(folder / "new.onnx", tile=(64, 64), text='{"schema": 2}')
    _conv(folder / "range.onnx", tile=(64, 64), value_range=(0.0, 10000.0))
    for name, files, says in (
        ("no contract", ["bare.onnx"], "bare.onnx: was not exported by unetzoo"),
        ("another schema", ["new.onnx"], "has schema version 2 but this page reads 1"),
        ("half a file", ["cut.onnx"], "cut.onnx: cannot be read as an ONNX file"),
        ("other weights", ["changed.onnx"], "SHA-256 differs"),
        ("no PNG", ["text.png"], "text.png: cannot be read as a picture"),
        ("no TIFF", ["text.tif"], "text.tif: cannot be read as a TIFF"),
        ("other bands", ["scene.onnx", "photo.jpg"], "has 3 band(s) where 4 are wanted (red, green, blue"),
        ("another scale", ["range.onnx", "photo.jpg"], "more than 20 times apart"),
    ):
        yield {"name": name, "files": files, "says": says}


def _classes(count: int) -> tuple[ClassSpec, ...]:
    return tuple(ClassSpec(f"class{i}", (i,), (40 * i, 250 - 50 * i, 99)) for i in range(count))


def _unet(path: Path, data: DataSpec, *, dynamic: bool = True) -> None:
    """A small U-Net with the weights it starts from."""
    from unetzoo.onnx_export import export

    torch.manual_seed(0)
    model = unetzoo.create_model(
        "unet",
        encoder="conv2d",
        in_channels=len(data.bands),
        classes=len(data.classes),
        overrides={"encoder.channels": [8, 16, 24], "decoder.channels": [8, 16]},
    )
    export(model.eval(), path, data=data, dynamic=dynamic)


def _conv(
    path: Path, *, tile: tuple[int, int], multilabel: bool = False, text: str | None = "", **data: Any
) -> None:
    """A 3 x 3 convolution of three bands."""
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((3, 3, 3, 3), dtype=np.float32)
    weights[0, 0, 0, 0] = 0.5
    spec = DataSpec(2, ("red", "green", "blue"), _classes(3), Normalisation("imagenet"), tile)
    spec = replace(spec, **data)
    contract = Contract("tiny", spec, "sigmoid" if spec.multilabel else "softmax", (1, 1), True)
    sizes: list[str | int | None] = ["B", 3, "H", "W"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["logits"], pads=[1, 1, 1, 1])],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, sizes)],
        [numpy_helper.from_array(weights, "weights")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(proto, path)
    if text is not None:
        entries = {METADATA_KEY: text or contract.to_json(), CHECKSUM_KEY: checksum(path)}
        helper.set_model_props(proto, entries)
        onnx.save(proto, path)


def _blobs(size: tuple[int, int]) -> np.ndarray:
    y, x = np.ogrid[: size[0], : size[1]]
    return np.asarray(np.sin(y / 9) * np.cos(x / 7) > 0.2).astype(float)


def _picture(path: Path, shape: tuple[int, int, int]) -> Path:
    rng = np.random.default_rng(2)
    small = rng.integers(0, 256, (shape[0] // 8, shape[1] // 8, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(small).resize((shape[1], shape[0]), PIL.Image.Resampling.BICUBIC)
    if shape[2] == 4:
        alpha = np.full(shape[:2], 255, np.uint8)
        alpha[:30, :40] = 0
        alpha[50:, 60:] = 7
        picture.putalpha(PIL.Image.fromarray(alpha))
    picture.save(path, quality=95)
    return path
