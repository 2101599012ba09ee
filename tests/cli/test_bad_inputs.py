"""Every mistake ends with exit code 2 and one sentence that names the culprit, and leaves nothing behind."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import rasterio
import torch
from omegaconf import OmegaConf
from onnx import TensorProto, helper
from PIL import Image

from unetzoo.cli import main
from unetzoo.monitor import refuse_test_monitor
from unetzoo.resume import leaves

CKPT, ONNX = "runs/tiny/checkpoints/best.ckpt", "runs/tiny/model.onnx"
DATA = ["data=folder", "data.images=images", "data.masks=masks"]
TRAIN = [
    "train",
    *DATA,
    "data.patch=[16,16]",
    "data.num_workers=0",
    "model/encoder=conv2d",
    "model.encoder.channels=[4,8]",
    "trainer=cpu",
    "logger=none",
    "run_id=other",
]
PREDICT = ["predict", f"ckpt={CKPT}", "out=predicted"]


class Case(NamedTuple):
    """Arguments, what the sentence must say (a regular expression), and how the folder is spoilt before."""

    name: str
    args: list[str]
    says: str
    spoil: Callable[[], None] = lambda: None


def _truncate(path: str) -> Callable[[], None]:
    def spoil() -> None:
        data = Path(path).read_bytes()
        Path(path).write_bytes(data[: len(data) // 2])

    return spoil


def _picture(path: str, array: np.ndarray) -> Callable[[], None]:
    return lambda: Image.fromarray(array).save(path)


def _tiff(path: str, array: np.ndarray) -> Callable[[], None]:
    def spoil() -> None:
        bands = array if array.ndim == 3 else array[None]
        Path(path).with_suffix(".png").unlink(missing_ok=True)
        profile = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
        with rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype, **profile) as file:
            file.write(bands)

    return spoil


def _edit_checkpoint(edit: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    def spoil() -> None:
        checkpoint = torch.load(CKPT, weights_only=True)
        edit(checkpoint["unetzoo"])
        torch.save(checkpoint, CKPT)

    return spoil


def _call_os_system(ours: dict[str, Any]) -> None:
    ours["config"] = ours["config"].replace("unetzoo.skips.ConcatSkip", "os.system")


def _foreign_onnx() -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 16, 16])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 16, 16])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "foreign", [image], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, "foreign.onnx")


def _many_folders() -> None:
    Path("empty").mkdir()
    Path("file.txt").write_text("not a folder")


def _config_dir() -> None:
    Path("mine/experiment").mkdir(parents=True)
    Path("mine/experiment/broken.yaml").write_text("# @package _global_\nseed: [1\n")


def _model_folder() -> None:
    Path("model").mkdir()
    Path("model/config.json").write_text(json.dumps({"library_name": "other"}))


def _manifest() -> None:
    rows = [
        f"images/c{i}.png,masks/c{9 if i == 2 else i}.png,{'val' if i > 3 else 'train'}" for i in range(6)
    ]
    Path("manifest.csv").write_text("\n".join(["image,mask,split", *rows]))


RGB = np.random.default_rng(0).integers(0, 255, (24, 24, 3)).astype(np.uint8)
ONE = np.ones((24, 24), np.uint8)

CASES = [
    # words
    Case("verb", ["trian"], "'trian'.*did you mean train"),
    Case("list group", ["list", "skps"], "'skps'.*did you mean skips"),
    Case("list pattern", ["list", "skips", "nope*"], "nope"),
    Case("doctor argument", ["doctor", "gpu"], "doctor takes no arguments.*gpu"),
    Case("data verb", ["data", "chek"], "'chek'.*did you mean check"),
    Case("flag", [*TRAIN, "--multrun"], "--multrun.*did you mean --multirun"),
    Case("bare word", [*TRAIN, "fast"], "'fast'.*key=value"),
    Case("unclosed list", [*TRAIN, "data.patch=[16"], r"data\.patch=\[16"),
    Case("explain size", ["explain", "size=big"], "size=big"),
    # groups, options, keys
    Case("group", [*TRAIN, "modl=unet"], "modl .*did you mean model"),
    Case("group with +", [*TRAIN, "+model/skips=nested"], "model/skips"),
    Case("group without its parent", [*TRAIN, "skip=nested"], "skip .*did you mean model/skip"),
    Case("option", [*TRAIN, "model=unett"], "model=unett.*did you mean unet.*unetzoo list models"),
    Case("nested option", [*TRAIN, "model/skip=neste"], "model/skip=neste.*did you mean nested.*list skips"),
    Case("data option", ["eval", f"ckpt={CKPT}", "data=foldr"], "data=foldr.*did you mean folder"),
    Case("experiment", ["train", "experiment=demoo"], "experiment=demoo"),
    Case("loss", [*TRAIN, "loss=dise"], "loss=dise.*did you mean dice"),
    Case("key", [*TRAIN, "trainer.max_epoch=3"], r"trainer\.max_epoch .*did you mean max_epochs"),
    Case("key without its parent", [*TRAIN, "lr=3"], r"lr .*did you mean optimizer\.lr"),
    Case("key of the model's data", ["eval", f"ckpt={CKPT}", "data.rot=x"], r"data\.rot.*did you mean root"),
    Case("argument", [*TRAIN, "+model.skip.inne=3"], "inne"),
    Case("optimizer argument", [*TRAIN, "+optimizer.betaz=3"], "betaz"),
    Case("config dir", [*TRAIN, "--config-dir", "nowhere"], "nowhere"),
    Case("broken yaml", [*TRAIN, "--config-dir", "mine", "experiment=broken"], "broken", _config_dir),
    # values
    Case("word for a number", [*TRAIN, "trainer.max_epochs=many"], r"max_epochs=many.*number"),
    Case(
        "word for a switch", [*TRAIN, "model.deep_supervision=often"], "deep_supervision=often.*true or false"
    ),
    Case("number for a list", [*TRAIN, "model.encoder.channels=8"], "channels=8.*list"),
    Case("word for a part", [*TRAIN, "model.skip=nested"], "model/skip=nested"),
    Case("interpolation", [*TRAIN, "data.name=${data.nome}"], r"data\.nome"),
    Case("missing value", ["eval"], "ckpt"),
    Case("fraction", [*TRAIN, "data.val_fraction=1.5"], r"val_fraction.*1\.5"),
    Case("negative rate", [*TRAIN, "optimizer.lr=-1"], "-1"),
    Case("precision", [*TRAIN, "trainer.precision=12-true"], "12-true"),
    Case("overlap", [*PREDICT, "inputs=images", "overlap=2"], "overlap=2"),
    Case("opset", ["export", f"ckpt={CKPT}", "opset=12"], "12"),
    Case("pruning a U-Net", ["export", f"ckpt={CKPT}", "depth=1"], "nested|prune"),
    Case("export name", ["export", f"ckpt={CKPT}", "out=model.pt"], r"model\.pt.*\.onnx"),
    Case("split", ["eval", f"ckpt={CKPT}", "split=tset"], "tset"),
    Case("empty policy", ["eval", f"ckpt={CKPT}", "empty=zero"], "zero"),
    # parts that do not go together
    Case("timm name", ["train", *DATA, "model/encoder=timm", "model.encoder.name=resnet3"], "resnet3"),
    Case(
        "two merges",
        ["explain", "model/skip=chain", "+model/skip@model.skip.steps.third=add"],
        "AttentionGate",
    ),
    Case("3D on 2D", [*TRAIN, "model/encoder=conv3d"], "3D.*2D"),
    Case("bands", [*TRAIN, "model.in_channels=5"], "in_channels=5"),
    Case("classes", [*TRAIN, "model.num_classes=5"], "num_classes=5"),
    Case("head", [*TRAIN, "model/head=multilabel"], "model/head"),
    Case("run folder of another config", [*TRAIN, "run_id=tiny", "optimizer.lr=0.5"], r"tiny.*optimizer\.lr"),
    # files of a data set
    Case("no folder", [*TRAIN, "data.images=nowhere"], "nowhere"),
    Case("no data", ["train", "data=folder"], r"data\.(images|manifest)"),
    Case("no mask", TRAIN, "c3", lambda: Path("masks/c3.png").unlink()),
    Case(
        "mask in a manifest",
        [*TRAIN, "data.images=null", "data.masks=null", "data.manifest=manifest.csv"],
        "c9",
        _manifest,
    ),
    Case("truncated image", TRAIN, r"c2\.png", _truncate("images/c2.png")),
    Case("text for an image", TRAIN, r"c2\.png", lambda: _void(Path("images/c2.png").write_text("hello"))),
    Case("mask of another size", TRAIN, r"c1\.png", _picture("masks/c1.png", ONE[:20])),
    Case("coloured mask", TRAIN, r"c1\.png", _picture("masks/c1.png", RGB)),
    Case("mask of fractions", TRAIN, r"c1\.tif", _tiff("masks/c1.tif", ONE * np.float32(0.5))),
    Case("image with other bands", TRAIN, r"c4\.tif", _tiff("images/c4.tif", np.stack([ONE] * 5))),
    Case("NaN image", TRAIN, r"c5\.tif", _tiff("images/c5.tif", ONE * np.float32(np.nan))),
    Case(
        "unknown id",
        [*TRAIN, "data.classes={background: 0, cell: 1}"],
        r"c1\.png.*7",
        _picture("masks/c1.png", ONE * 7),
    ),
    Case("empty train split", [*TRAIN, "data.val_fraction=0"], "val"),
    Case("empty test split", ["eval", f"ckpt={CKPT}", "data.test_fraction=0"], "test"),
    Case("data check", ["data", "check", *DATA], r"c2\.png", _truncate("images/c2.png")),
    # trained models
    Case("no checkpoint", ["eval", "ckpt=nowhere.ckpt"], r"nowhere\.ckpt"),
    Case("truncated checkpoint", ["eval", f"ckpt={CKPT}"], r"best\.ckpt", _truncate(CKPT)),
    Case("foreign checkpoint", ["export", "ckpt=x.ckpt"], r"x\.ckpt", lambda: torch.save({"a": 1}, "x.ckpt")),
    Case("checkpoint that calls", ["eval", f"ckpt={CKPT}"], r"os\.system", _edit_checkpoint(_call_os_system)),
    Case(
        "future checkpoint",
        ["eval", f"ckpt={CKPT}"],
        "schema 9",
        _edit_checkpoint(lambda o: o.update(schema=9)),
    ),
    Case("foreign folder", ["export", "ckpt=model"], "config.json", _model_folder),
    Case(
        "foreign ONNX",
        ["predict", "ckpt=foreign.onnx", "inputs=images", "out=predicted"],
        r"foreign\.onnx",
        _foreign_onnx,
    ),
    Case(
        "truncated ONNX",
        ["predict", f"ckpt={ONNX}", "inputs=images", "out=predicted"],
        r"model\.onnx",
        _truncate(ONNX),
    ),
    Case("exported twice", ["export", f"ckpt={ONNX}"], "exported already"),
    # inputs and outputs of prediction
    Case("no input", [*PREDICT, "inputs=nowhere.png"], r"nowhere\.png"),
    Case("no images", [*PREDICT, "inputs=empty"], "empty.*no image", _many_folders),
    Case("input with other bands", [*PREDICT, "inputs=rgb.png"], r"rgb\.png", _picture("rgb.png", RGB)),
    Case("truncated input", [*PREDICT, "inputs=images/c2.png"], r"c2\.png", _truncate("images/c2.png")),
    Case("volume for a picture model", [*PREDICT, "inputs=a.nii"], r"a\.nii", lambda: _nifti("a.nii")),
    Case("unwritable output", [*PREDICT[:2], "inputs=images", "out=file.txt/x"], r"file\.txt", _many_folders),
    Case("unwritable run", [*TRAIN, "paths.runs=file.txt"], r"file\.txt", _many_folders),
    Case("unwritable report", ["eval", f"ckpt={CKPT}", "out=file.txt/x"], r"file\.txt", _many_folders),
    Case("unwritable export", ["export", f"ckpt={CKPT}", "out=file.txt/x.onnx"], r"file\.txt", _many_folders),
]


def _void(_: object) -> None:
    return None


def _nifti(path: str) -> None:
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((8, 8, 8), np.float32), np.eye(4))  # type: ignore[no-untyped-call]
    nibabel.save(image, path)


def _files(folder: Path) -> dict[str, int]:
    """Files with their times; folders without, since theirs change when a temporary file comes and goes."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns if path.is_file() else 0
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mistake_is_answered_with_one_sentence(
    case: Case, work: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case.spoil()
    before = _files(work)
    capfd.readouterr()

    code = main(case.args)

    captured = capfd.readouterr()
    lines = captured.err.strip().splitlines()
    assert code == 2
    assert len(lines) == 1, captured.err
    assert re.search(case.says, lines[0], re.IGNORECASE), lines[0]
    assert "Traceback" not in captured.out + captured.err
    assert _files(work) == before


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


def test_verbose_shows_the_traceback(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "model=unett", "-v"]) == 2
    assert "Traceback" in capfd.readouterr().err
    assert main(["--verbose", *TRAIN, "model=unett"]) == 2
    assert "Traceback" in capfd.readouterr().err


def test_a_bug_keeps_its_traceback(
    work: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("unetzoo.training.train", broken)
    assert main(TRAIN) == 1
    assert "RuntimeError: a bug" in capfd.readouterr().err


def test_interrupted_training_says_how_to_go_on(
    work: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unetzoo.training.train", interrupted)
    assert main(TRAIN) == 130
    assert "same command again" in capfd.readouterr().err


def test_partly_done_is_four(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _truncate("images/c2.png")()
    assert main([*PREDICT, "inputs=images"]) == 4
    assert "c2.png" in capfd.readouterr().err
    assert len(list(Path("predicted").glob("*.png"))) == 5


def test_sweep_with_one_bad_job_is_partly_done(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    jobs = ["--multirun", "model.in_channels=1,5", "run_id=s${model.in_channels}"]
    assert main([*TRAIN, "trainer.max_epochs=1", *jobs]) == 4
    assert "in_channels=5" in capfd.readouterr().err
    assert Path("runs/s1/checkpoints/best.ckpt").is_file()


@pytest.mark.parametrize(
    "given",
    [
        ["callbacks.monitor=test/dice"],
        ["callbacks=early_stopping", "callbacks.early_stopping.monitor=test/dice"],
    ],
)
def test_test_split_decides_nothing(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "experiment=demo", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the test split is measured once" in line
    assert "monitor val/" in line


def test_monitor_of_test_in_a_config_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"callbacks\.stop\.monitor=test/dice"):
        refuse_test_monitor(leaves(OmegaConf.create({"callbacks": {"stop": {"monitor": "test/dice"}}})))
