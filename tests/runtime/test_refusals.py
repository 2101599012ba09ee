import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest

from unetzoo.inference import DataSpec, Normalisation, OnnxNetwork, Predictor
from unetzoo.inference.cli import main

MakeModel = Callable[..., Path]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence on standard error of a run that must end with code 2 and write nothing."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("name", "spoil", "culprit"),
    [
        ("missing.onnx", None, "missing.onnx: no such file"),
        ("empty.onnx", lambda whole: b"", "empty.onnx: the file is empty"),
        ("cut.onnx", lambda whole: whole[: len(whole) // 3], "cut.onnx: cannot be read as an ONNX file"),
        ("text.onnx", lambda whole: b"no model at all", "text.onnx: cannot be read as an ONNX file"),
    ],
)
def test_damaged_models(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    spoil: Callable[[bytes], bytes] | None,
    culprit: str,
) -> None:
    if spoil:
        (tmp_path / name).write_bytes(spoil(model(data).read_bytes()))
    assert culprit in refused(capsys, tmp_path / name, picture, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_foreign_model_without_a_contract(
    model: MakeModel, data: DataSpec, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = model(data, text=None)
    assert "was not exported by unetzoo" in refused(capsys, foreign, picture, "-o", tmp_path / "out")
    assert "model.onnx: the contract is not JSON" in refused(
        capsys, model(data, text="{"), picture, "-o", tmp_path
    )
    newer = json.dumps({"schema": 7})
    assert "schema version 7" in refused(capsys, model(data, text=newer), picture, "-o", tmp_path)


@pytest.mark.parametrize("options", [{"size": (32, 16)}, {"channels": 4}])
def test_network_that_contradicts_its_contract(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, object],
) -> None:
    assert "but its contract says [3, 16, 16]" in refused(
        capsys, model(data, **options), picture, "-o", tmp_path / "o"
    )


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["no.png", "-o", "out"], "no.png: no such file or folder"),
        (["empty", "-o", "out"], "empty: the folder holds no image"),
        (["picture.png"], "-o out/"),
        (["-o", "out"], "give the images"),
        (["picture.png", "-o", "picture.png"], "picture.png: cannot make this output folder"),
        (["picture.png", "-o", "picture.png/out"], "picture.png/out: cannot make this output folder"),
        (["picture.png", "-o", "."], "picture.png: would overwrite the input"),
        (["picture.png", "picture.png", "-o", "out"], "would both be written"),
        (["picture.png", "-o", "out", "--threads", "0"], "'0' is not a number above 0"),
        (["picture.png", "-o", "out", "--batch-size", "many"], "'many' is not a number above 0"),
        (["picture.png", "-o", "out", "--device", "gpu"], "invalid choice: 'gpu'"),
        (["picture.png", "-o", "out", "--device", "cuda"], "does not offer CUDAExecutionProvider"),
        (["picture.png", "-o", "out", "--device", "tensorrt"], "does not offer TensorrtExecutionProvider"),
        (["picture.png", "-o", "out", "--flop"], "unrecognized arguments: --flop"),
        (["text.png", "-o", "out"], "text.png: cannot be read as a picture"),
        (["text.tif", "-o", "out"], "text.tif: cannot be read as a TIFF"),
        (["text.nii.gz", "-o", "out"], "text.nii.gz: cannot be read as NIfTI"),
        (["text.dat", "-o", "out"], "text.dat: the ending '.dat' is unknown"),
        (["grey.tif", "-o", "out"], "grey.tif: has 2 band(s) where 3 are wanted (red, green, blue)"),
        (
            ["float.tif", "-o", "out"],
            "float.tif: values reach 1 (float32) where those of the training images reached 255",
        ),
        (["volume.nii", "-o", "out"], "volume.nii: is 3D but the model is for 2D images"),
    ],
)
def test_bad_arguments_and_inputs(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    culprit: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for name in ("text.png", "text.tif", "text.nii.gz", "text.dat"):
        Path(name).write_bytes(b"no image")
    write_tiff("grey.tif", np.zeros((2, 8, 8), np.uint8))
    write_tiff("float.tif", np.linspace(0, 1, 192, dtype=np.float32).reshape(3, 8, 8))
    write_nifti("volume.nii", np.zeros((4, 4, 4, 3), np.uint8))
    before = {p: p.read_bytes() for p in Path().iterdir() if p.is_file()}
    assert culprit in refused(capsys, model(data), *arguments)
    Path("model.onnx").unlink()
    assert {p: p.read_bytes() for p in Path().iterdir() if p.is_file()} == before
    assert not Path("out").exists()


def write_tiff(path: str, bands: np.ndarray) -> None:
    import rasterio

    shape = {
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype.name,
    }
    place = {"crs": "EPSG:3857", "transform": rasterio.Affine(2, 0, 0, 0, -2, 0)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as target:
        target.write(bands)


def write_nifti(path: str, values: np.ndarray) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)  # type: ignore[no-untyped-call]


def test_one_bad_input_of_several_is_partly_done(
    model: MakeModel, data: DataSpec, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    code = main([str(p) for p in (model(data), tmp_path / "bad.png", picture, "-o", tmp_path / "out")])
    printed = capsys.readouterr()
    assert code == 4
    assert printed.out == f"1 of 2 predicted, results in {tmp_path / 'out'}\n"
    assert printed.err.startswith(f"error: {tmp_path / 'bad.png'}: ")
    # the ledger lets the same command do the rest
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".unetzoo-run.jsonl", "picture.png"]


def test_verbose_shows_where_an_error_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.onnx"), "--describe", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_provider_that_silently_falls_back_is_an_error(
    model: MakeModel, data: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    # as in a machine that has the GPU package but not CUDA's libraries
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    with pytest.warns(UserWarning, match="CUDA"), pytest.raises(ValueError, match="CUDAExecutionProvider"):
        OnnxNetwork(model(data), providers=["CUDAExecutionProvider"])


def test_missing_onnxruntime_is_named(
    model: MakeModel, data: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        OnnxNetwork(model(data))


def test_network_that_fails_at_run_time_is_one_sentence(model: MakeModel, data: DataSpec) -> None:
    with pytest.raises(
        ValueError, match=r"model\.onnx: the network failed on an input of \(1, 3, 17, 16\)"
    ) as caught:
        OnnxNetwork(model(data, size=(16, 16)))(np.zeros((1, 3, 17, 16), np.float32))
    assert "\n" not in str(caught.value)


def test_network_of_fixed_size_is_fed_its_tile(model: MakeModel, data: DataSpec, picture: Path) -> None:
    from unetzoo.inference import read_image

    image = read_image(picture)
    fixed = Predictor.from_onnx(model(data, "fixed.onnx", size=(16, 16)), threads=1)
    free = Predictor.from_onnx(model(data), threads=1)
    assert not fixed.contract.dynamic_size
    np.testing.assert_array_equal(fixed.predict(image).labels, free.predict(image).labels)
    np.testing.assert_array_equal(fixed.predict(image).labels, image.data.argmax(axis=0))


def test_batch_size_does_not_change_labels(model: MakeModel, data: DataSpec, picture: Path) -> None:
    from unetzoo.inference import read_image

    predictor = Predictor.from_onnx(model(data), threads=1)
    one, many = (predictor.predict(read_image(picture), batch_size=b) for b in (1, 64))
    np.testing.assert_array_equal(one.labels, many.labels)
    np.testing.assert_allclose(one.probabilities, many.probabilities, atol=1e-6)


def test_openvino_gives_what_onnxruntime_gives(model: MakeModel, data: DataSpec, picture: Path) -> None:
    pytest.importorskip("openvino")
    from unetzoo.inference import read_image

    path = model(replace(data, normalisation=Normalisation("zscore")))
    image = read_image(picture)
    there = Predictor.from_openvino(path, threads=1).predict(image)
    here = Predictor.from_onnx(path, threads=1).predict(image)
    np.testing.assert_allclose(there.probabilities, here.probabilities, atol=1e-5)
    cut = path.with_name("cut.onnx")
    cut.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"cut\.onnx: cannot be read as an ONNX file"):
        Predictor.from_openvino(cut)
    onnx.save(onnx.load(model(data, text=None)), cut)
    with pytest.raises(ValueError, match="was not exported by unetzoo"):
        Predictor.from_openvino(cut)


def test_missing_openvino_is_named_with_its_extra(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    arguments = (model(data), picture, "-o", tmp_path / "out", "--backend", "openvino")
    assert "unetzoo-runtime[openvino]" in refused(capsys, *arguments)


def test_predictor_of_the_library_opens_exported_files_too(
    model: MakeModel, data: DataSpec, picture: Path
) -> None:
    import unetzoo

    assert (
        unetzoo.Predictor.from_onnx(model(data), threads=1)
        .predict_file(picture, picture.with_name("o.png"))
        .is_file()
    )


def test_fastest_back_end_is_chosen_and_told(
    model: MakeModel,
    data: DataSpec,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [str(a) for a in (model(data), picture, "-o", tmp_path / "out", "--backend", "auto")]
    monkeypatch.setattr("unetzoo.inference.backends.find_spec", lambda name: None)
    assert main(arguments) == 0
    assert capsys.readouterr().err == "ONNX Runtime computes, since OpenVINO is not installed\n"
    pytest.importorskip("openvino")
    monkeypatch.undo()
    assert main(arguments) == 0
    assert re.fullmatch(
        r"(ONNX Runtime|OpenVINO) computes: \S+ ms per window of 16 x 16, (ONNX Runtime|OpenVINO) \S+ ms\n",
        capsys.readouterr().err,
    )


def test_several_models_answer_as_one(
    model: MakeModel, data: DataSpec, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = model(data), model(data, "second.onnx")
    assert main([str(a) for a in (first, picture, "-o", tmp_path / "a")]) == 0
    assert main([str(a) for a in (first, picture, "-o", tmp_path / "b", "--ensemble", second)]) == 0
    assert (tmp_path / "a" / "picture.png").read_bytes() == (tmp_path / "b" / "picture.png").read_bytes()
    capsys.readouterr()
    other = model(replace(data, tile=(32, 32)), "other.onnx")
    assert "other.onnx: differs from" in refused(
        capsys, first, picture, "-o", tmp_path / "c", "--ensemble", other
    )
