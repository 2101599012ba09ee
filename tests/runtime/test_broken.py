"""Broken models, contracts and inputs: one sentence each, exit code 2, nothing written."""

import gzip
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import PIL.Image
import pytest
import rasterio
from onnx import TensorProto, helper, numpy_helper

from unetzoo.inference import METADATA_KEY, DataSpec, OnnxNetwork
from unetzoo.inference.cli import main
from unetzoo.inference.integrity import CHECKSUM_KEY, checksum, external_files
from unetzoo.onnx_export import save_with_contract

MakeModel = Callable[..., Path]
Spoil = Callable[[onnx.ModelProto, Path], None]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def ends(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and what was said; never more than a sentence on standard error."""
    code = main([str(a) for a in arguments])
    printed = capsys.readouterr()
    assert printed.err.count("\n") <= 1
    assert code == 0 or printed.err.startswith("error: ")
    return code, printed.err


def set_contract(**changes: Any) -> Spoil:
    """Replace keys of the contract; those with a dot lie in data, and ... takes a key away."""

    def spoil(proto: onnx.ModelProto, path: Path) -> None:
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        contract = json.loads(metadata[METADATA_KEY])
        for key, value in changes.items():
            place, key = (contract["data"], key[5:]) if key.startswith("data_") else (contract, key)
            if value is ...:
                del place[key]
            else:
                place[key] = value
        helper.set_model_props(proto, {METADATA_KEY: json.dumps(contract)})

    return spoil


def change_weights(proto: onnx.ModelProto, path: Path) -> None:
    helper.set_model_props(
        proto, {**{e.key: e.value for e in proto.metadata_props}, CHECKSUM_KEY: checksum(path)}
    )
    values = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    values.flat[0] += 1e-6
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "weights"))


def weights_from(location: str) -> Spoil:
    def spoil(proto: onnx.ModelProto, path: Path) -> None:
        tensor = proto.graph.initializer[0]
        raw = numpy_helper.to_array(tensor).tobytes()
        (path.parent.parent / "secret.bin").write_bytes(raw)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="length", value=str(len(raw)))

    return spoil


def weights_through_a_link(proto: onnx.ModelProto, path: Path) -> None:
    weights_from("link.bin")(proto, path)
    os.symlink(path.parent.parent / "secret.bin", path.parent / "link.bin")


def hidden_weights(proto: onnx.ModelProto, path: Path) -> None:
    """A tensor outside, in the attribute of a node in a branch that is never taken."""
    secret = TensorProto(name="s", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    secret.external_data.add(key="location", value="../secret.bin")
    constant = helper.make_node("Constant", [], ["s"], value=secret)
    branch = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("s", 1, [1])])
    proto.graph.node.append(helper.make_node("If", ["c"], ["n"], then_branch=branch, else_branch=branch))


def deep(proto: onnx.ModelProto, path: Path) -> None:
    graph = helper.make_graph([], "g", [], [])
    for _ in range(30):
        graph = helper.make_graph([helper.make_node("If", ["c"], ["n"], then_branch=graph)], "g", [], [])
    proto.graph.node.extend(graph.node)


def opset(proto: onnx.ModelProto, path: Path) -> None:
    proto.opset_import[0].version = 99


def ir_version(proto: onnx.ModelProto, path: Path) -> None:
    proto.ir_version = 99


def unknown_operator(proto: onnx.ModelProto, path: Path) -> None:
    proto.graph.node[0].op_type = "Konv"


def no_weights(proto: onnx.ModelProto, path: Path) -> None:
    del proto.graph.initializer[:]


def not_a_graph(proto: onnx.ModelProto, path: Path) -> None:
    proto.ClearField("graph")


def two_dimensions(proto: onnx.ModelProto, path: Path) -> None:
    del proto.graph.input[0].type.tensor_type.shape.dim[2:]


MODELS: list[tuple[Spoil, str]] = [
    (opset, "ONNX Runtime cannot load it"),
    (ir_version, "ONNX Runtime cannot load it"),
    (unknown_operator, "ONNX Runtime cannot load it"),
    (no_weights, "ONNX Runtime cannot load it"),
    (not_a_graph, "ONNX Runtime cannot load it"),
    (two_dimensions, "ONNX Runtime cannot load it"),
    (change_weights, "SHA-256 differs"),
    (weights_from("../secret.bin"), "'../secret.bin', outside of its own folder"),
    (weights_from("a/../../secret.bin"), "outside of its own folder"),
    (weights_from("/etc/hostname"), "'/etc/hostname', outside of its own folder"),
    (weights_from("C:\\secret.bin"), "outside of its own folder"),
    (weights_from("..\\secret.bin"), "outside of its own folder"),
    (weights_through_a_link, "'link.bin', outside of its own folder"),
    (hidden_weights, "'../secret.bin', outside of its own folder"),
    (weights_from("gone.bin"), "its weights lie in 'gone.bin', which is not beside it"),
    (deep, "it is damaged or of another format"),
    (set_contract(schema=2), "schema version 2 but this version reads 1"),
    (set_contract(schema=...), "no schema version"),
    (set_contract(name=...), "contract lacks the key 'name'"),
    (set_contract(activation="relu"), "activation 'relu' is unknown"),
    (set_contract(overlap=1.5), "overlap is a fraction"),
    (set_contract(blend="hann"), "blend 'hann' is unknown"),
    (set_contract(colour="red"), "unknown key 'colour'"),
    (set_contract(data="none"), "data must be a mapping"),
    (set_contract(data_bands=["red", "green"]), "is for 3 bands; the data has 2"),
    (set_contract(data_bands=["r", "g", "r"]), "each named once"),
    (set_contract(data_tile=[16]), "must be 2 positive sizes"),
    (set_contract(data_tile=[10**9, "x"]), "'x' but must be a whole number"),
    (set_contract(data_classes=[]), "0 classes"),
    (set_contract(data_normalisation={"method": "fixed", "mean": [0] * 3, "std": [0] * 3}), "positive std"),
]


@pytest.mark.parametrize(("spoil", "culprit"), MODELS)
def test_broken_model_is_one_sentence(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Spoil,
    culprit: str,
) -> None:
    whole = model(data)
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "broken.onnx"
    proto = onnx.load(whole)
    path.write_bytes(whole.read_bytes())
    spoil(proto, path)
    if spoil is change_weights:
        helper.set_model_props(
            proto, {METADATA_KEY: proto.metadata_props[0].value, CHECKSUM_KEY: checksum(whole)}
        )
    path.write_bytes(proto.SerializeToString())
    code, said = ends(capsys, path, picture, "-o", tmp_path / "out")
    assert code == 2
    assert "broken.onnx" in said
    assert culprit in said
    assert not (tmp_path / "out").exists()


def claimed_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10**6), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def nifti_of(shape: tuple[int, ...], content: bytes) -> bytes:
    import nibabel

    header: Any = nibabel.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_shape(shape)
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock) + bytes(4) + content


def tiff(path: Path, bands: np.ndarray, **how: Any) -> bytes:
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    place = {"crs": "EPSG:3857", "transform": rasterio.Affine(2, 0, 0, 0, -2, 0)}
    with rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype.name, **shape, **place, **how) as target:
        target.write(bands)
    content = path.read_bytes()
    path.unlink()
    return content


INPUTS: dict[str, tuple[str, Callable[[Path], bytes], str]] = {
    "bomb": ("a.png", lambda _: claimed_png(60000, 60000), "too large for a picture"),
    "short": ("a.png", lambda _: claimed_png(2000, 2000), "cannot be read as a picture"),
    "half tiff": (
        "a.tif",
        lambda p: tiff(p, np.random.default_rng(0).integers(0, 255, (3, 90, 90), np.uint8))[:9000],
        "cannot be read as a TIFF",
    ),
    "unit range": (
        "a.tif",
        lambda p: tiff(p, np.linspace(0, 1, 2700, dtype=np.float32).reshape(3, 30, 30)),
        "values reach 1 (float32) where those of the training images reached 10000",
    ),
    "four bands": ("a.tif", lambda p: tiff(p, np.zeros((4, 9, 9), np.uint16)), "has 4 band(s) where 3"),
    "complex": ("a.tif", lambda p: tiff(p, np.ones((3, 9, 9), np.complex64)), "bands of type complex64"),
    "volume": ("a.nii", lambda _: nifti_of((5, 5, 5, 3), bytes(375)), "is 3D but the model is for 2D"),
    "gz bomb": ("a.nii.gz", lambda _: gzip.compress(bytes(10**6)), "cannot be read as NIfTI"),
    "no gzip": ("a.nii.gz", lambda _: b"\x1f\x8b" + b"x" * 99, "cannot be read as NIfTI"),
    "nothing": ("a.jpg", lambda _: b"", "the file is empty"),
    "web page": ("a.jpg", lambda _: b"<!doctype html>", "cannot be read as a picture"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_broken_input_is_one_sentence(
    model: MakeModel, data: DataSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    name, make, culprit = INPUTS[kind]
    (tmp_path / name).write_bytes(make(tmp_path / name))
    given = model(replace(data, value_range=(0.0, 10000.0)))
    code, said = ends(capsys, given, tmp_path / name, "-o", tmp_path / "out")
    assert code == 2
    assert name in said
    assert culprit in said
    assert not (tmp_path / "out").exists()


def test_volume_that_claims_more_than_there_is(
    model: MakeModel, data: DataSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes = model(replace(data, ndim=3, tile=(8, 8, 8)))
    (tmp_path / "a.nii").write_bytes(nifti_of((200, 200, 20000, 3), bytes(100)))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    for name in ("a.nii", "b.nii.gz"):
        code, said = ends(capsys, volumes, tmp_path / name, "-o", tmp_path / "out")
        assert code == 2
        assert f"{name}: cannot be read as NIfTI" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (900, 1)])
def test_strange_sizes_are_predicted(
    model: MakeModel,
    data: DataSpec,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    size: tuple[int, int],
) -> None:
    bands = np.random.default_rng(0).integers(0, 255, (3, *size), dtype=np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff(tmp_path / "a.tif", bands, tiled=True))
    assert (
        ends(capsys, model(data, size=None), tmp_path / "a.tif", "-o", tmp_path / "out", "--threads", 1)[0]
        == 0
    )
    with rasterio.open(tmp_path / "out" / "a.tif") as found:
        np.testing.assert_array_equal(found.read(1), bands.argmax(axis=0))


def test_weights_that_lie_beside_the_file_are_part_of_it(
    model: MakeModel, data: DataSpec, tmp_path: Path
) -> None:
    proto = onnx.load(model(data))
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(999, np.float32), "more"))
    contract = OnnxNetwork(model(data), threads=1).contract
    path = tmp_path / "large" / "large.onnx"
    path.parent.mkdir()
    save_with_contract(proto, path, contract, external=True)
    weights = path.with_name("large.onnx.data")
    assert external_files(path) == [weights]
    assert OnnxNetwork(path, threads=1).verified
    raw = bytearray(weights.read_bytes())
    raw[len(raw) // 2] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(ValueError, match="SHA-256 differs"):
        OnnxNetwork(path, threads=1)


def test_check_says_what_is_right_and_what_is_not(
    model: MakeModel, data: DataSpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(model(data)), "--check"]) == 0
    said = capsys.readouterr().out
    assert "schema 1, 2D, 3 band(s), 3 classes" in said
    assert "none in the file" in said
    assert "2 x 17 x 19 pixels in, 3 number(s) each out" in said
    few = replace(data, classes=data.classes[:2])
    proto = onnx.load(model(data))
    helper.set_model_props(proto, {METADATA_KEY: onnx.load(model(few, "few.onnx")).metadata_props[0].value})
    onnx.save(proto, tmp_path / "three.onnx")
    assert main([str(tmp_path / "three.onnx"), "--check"]) == 2
    assert "answers (1, 3, 16, 16) where its contract says (1, 2, 16, 16)" in capsys.readouterr().err
