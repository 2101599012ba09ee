"""What the verbs print and where they write."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetzoo import create_model, load
from unetzoo.cli import main
from unetzoo.inference import Predictor

CKPT, ONNX = "runs/tiny/checkpoints/best.ckpt", "runs/tiny/model.onnx"


def test_explain_tells_the_truth(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["explain", "model=unet_plus_plus", "model/encoder=resnet18", "model.in_channels=4", "size=64"])
        == 0
    )
    shown = capsys.readouterr().out
    model = create_model("unet_plus_plus", encoder="resnet18", in_channels=4, num_classes=2)
    assert f"{sum(p.numel() for p in model.parameters()):,}" in shown
    rows = [line.split() for line in shown.splitlines() if re.match(r"\d  +\d", line)]
    assert [int(row[4]) for row in rows] == [level.channels for level in model.encoder.levels]
    assert [int(row[5]) for row in rows] == [level.channels for level in model.skip.levels]
    # 32 x 32 pixels of 256 channels in four bytes
    assert rows[0][9] == "1.05"
    assert "4 heads" in shown


def test_a_group_that_stands_in_one_place_only_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["model/encoder=conv2d", "+model/context@model.decoder.context=aspp"]
    assert main(["explain", *arguments, "model.decoder.context.channels=8", "size=32"]) == 0
    small = {"decoder.context": {"_target_": "unetzoo.blocks.ASPP", "_partial_": True, "channels": 8}}
    model = create_model("unet", encoder="conv2d", in_channels=1, num_classes=2, overrides=small)
    assert f"{sum(p.numel() for p in model.parameters()):,}" in capsys.readouterr().out


def test_explain_counts_the_macs_of_a_convolution(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["model/encoder=conv2d", "model.encoder.channels=[4,8]", "model.decoder.channels=[4]"]
    assert main(["explain", *arguments, "model.in_channels=1", "size=16"]) == 0
    encoder = 256 * 9 * (1 * 4 + 4 * 4) + 64 * 9 * (4 * 8 + 8 * 8)
    decoder = 256 * 9 * ((4 + 8) * 4 + 4 * 4) + 256 * 9 * 4 * 2
    assert re.search(rf"MACs +{encoder + decoder} for", capsys.readouterr().out)


def test_explain_names_what_runs_for_every_operation_with_a_kernel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["model/encoder=conv2d", "model.encoder.channels=[4,8]", "model.decoder.channels=[4]"]
    arguments += ["model/skip=attention_gate", "model.in_channels=1", "size=16"]
    assert main(["explain", *arguments]) == 0
    assert re.search(r"attention_gate +1 +1 x 4 x 16 x 16 +torch", capsys.readouterr().out)
    monkeypatch.setattr("unetzoo.ops.native.library", lambda: None)
    assert main(["explain", *arguments]) == 0
    assert "torch; unetzoo-kernels is not installed" in capsys.readouterr().out


def test_explain_of_a_volume_model(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["model/encoder=conv3d", "model.in_channels=1", "model.num_classes=3", "data.patch=null"]
    assert main(["explain", *arguments, "size=32"]) == 0
    assert "1 band to 3 classes, 3D, 32 x 32 x 32" in capsys.readouterr().out


def test_explain_without_the_data_says_what_it_assumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "data=folder", "data.images=nowhere", "data.masks=nowhere"]) == 0
    shown = capsys.readouterr().out
    assert "3 bands to 2 classes" in shown
    assert re.search("note: .*assumed.*nowhere", shown)


def test_data_check_shows_classes_and_cases(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "data=folder", "data.images=images", "data.masks=masks"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"1 foreground \(id 1 in the masks\)", shown)
    assert re.search(r"train +4 cases", shown)
    assert shown.endswith("problems    0\n")


def test_eval_writes_beside_the_run_and_shows_the_next_command(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", f"ckpt={CKPT}"]) == 0
    assert f"unetzoo export ckpt={CKPT}" in capsys.readouterr().out
    assert {path.name for path in Path("runs/tiny/eval/test").iterdir()} == {
        "cases.csv",
        "summary.json",
        "report.html",
    }


def test_eval_of_the_exported_file_agrees(work: Path) -> None:
    assert main(["eval", f"ckpt={CKPT}", "out=a"]) == 0
    assert main(["eval", f"ckpt={ONNX}", "out=b"]) == 0
    a, b = (json.loads(Path(out, "summary.json").read_text())["means"]["dice"] for out in "ab")
    assert a == b


def test_eval_on_a_set_that_has_moved_and_on_another_one(work: Path) -> None:
    Path("elsewhere").mkdir()
    Path("images").rename("elsewhere/images")
    Path("masks").rename("elsewhere/masks")
    assert main(["eval", f"ckpt={CKPT}", "data.root=elsewhere", "out=moved"]) == 0
    other = ["data=folder", "data.images=elsewhere/images", "data.masks=elsewhere/masks"]
    assert main(["eval", f"ckpt={CKPT}", *other, "out=other"]) == 0
    moved, another = (Path(out, "cases.csv").read_text() for out in ("moved", "other"))
    assert moved == another


def test_calibrate_writes_the_checkpoint_and_the_export_carries_it(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", f"ckpt={CKPT}"]) == 0
    shown = capsys.readouterr().out
    found = re.search(r"temperature ([\d.]+) \(ECE on", shown)
    assert found
    assert main(["export", f"ckpt={CKPT}", "out=warm.onnx"]) == 0
    contract = Predictor.from_onnx("warm.onnx").contract
    assert contract.temperature == float(found[1]) != 1
    assert main(["predict", "ckpt=warm.onnx", "inputs=images/c0.png", "out=o", "entropy=true"]) == 0
    assert np.load("o/c0_entropy.npy").shape == (1, 24, 24)
    assert main(["calibrate", f"ckpt={CKPT}", "split=test"]) == 2
    assert "calibrate on val" in capsys.readouterr().err


def test_predict_by_checkpoint_folder_and_onnx_agree(work: Path) -> None:
    load(CKPT).save_pretrained("saved")
    for index, ckpt in enumerate((CKPT, ONNX, "saved")):
        assert (
            main(["predict", f"ckpt={ckpt}", "inputs=[images/c0.png,images/c1.png]", f"out=out{index}"]) == 0
        )
    maps = [np.asarray(Image.open(f"out{index}/c1.png")) for index in range(3)]
    assert maps[0].shape == (24, 24)
    assert all((m == maps[0]).mean() >= 0.9999 for m in maps)


def test_doctor_finds_this_installation_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unetzoo.cli.doctor._machine", lambda: iter(()))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "no problems found" in shown
    assert "CPUExecutionProvider" in shown


def test_doctor_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = ["numpy>=99", "nosuchpackage>=1", "alsonot; extra == 'test'"]
    monkeypatch.setattr("unetzoo.cli.doctor.requires", lambda name: wanted)
    monkeypatch.setenv("OMP_NUM_THREADS", "9999")
    assert main(["doctor"]) == 3
    problems = [line for line in capsys.readouterr().out.splitlines() if line.startswith("problem: ")]
    assert any("nosuchpackage is missing" in line for line in problems)
    assert any("numpy>=99 is needed" in line for line in problems)
    assert any("9999" in line for line in problems)
    assert not any("alsonot" in line for line in problems)
