"""Export in fewer bits from the command line."""

import shutil
from pathlib import Path

import pytest

from unetzoo.cli import main
from unetzoo.inference import Predictor
from unetzoo.quantisation import Gate
from unetzoo.quantisation import export as steps

CKPT = "runs/tiny/checkpoints/best.ckpt"


@pytest.fixture(autouse=True)
def _exported_before(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The float32 file is there already, and to export takes long."""

    def copied(model: object, path: Path, **how: object) -> Path:
        return Path(shutil.copy("runs/tiny/model.onnx", path))

    monkeypatch.setattr(steps, "export", copied)


def test_fewer_bits_are_written_beside_the_run_with_their_cost(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("images").rename("moved")
    arguments = [f"ckpt={CKPT}", "quantize=int8", "calibration=3", "data.images=moved"]
    assert main(["export", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "calibrated  on 3 patches of train, 1 x 16 x 16" in shown
    found = Predictor.from_onnx("runs/tiny/model-int8.onnx").contract.quantisation
    assert found is not None
    assert f"Dice {found.dice_before:.4f} before, {found.dice_after:.4f} after on val" in shown


def test_gate_that_failed_is_exit_code_3_and_no_file(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Gate.judge
    monkeypatch.setattr(Gate, "judge", lambda *a: judge(*a)._replace(before=0.9, after=0.86))
    before = sorted(Path("runs/tiny").rglob("*"))
    assert main(["export", f"ckpt={CKPT}", "quantize=int8", "calibration=2", "gate.dice_drop=0.03"]) == 3
    assert "unetzoo export: int8 loses 0.0400 of the Dice on val" in capsys.readouterr().err
    assert sorted(Path("runs/tiny").rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["quantize=int4"], "quantize=int4 is unknown"),
        (["data.root=elsewhere"], "drop it"),
        (["quantize=int8", "data.patch=[8,8]"], "data.patch cannot differ from training"),
        (["quantize=int8", "calibration=0"], "at least one training patch"),
    ],
)
def test_mistake_is_answered_with_one_sentence(
    work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], culprit: str
) -> None:
    assert main(["export", f"ckpt={CKPT}", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert culprit in told[0]
