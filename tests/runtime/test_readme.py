"""Every command in the README's deployment section does what it says, as it stands there."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from tests.runtime.pages import ROOT, ask_server, assert_there_is_such_a_distribution, commands

from unetzoo.inference import DataSpec, Predictor
from unetzoo.inference.cli import main

SECTION = (ROOT / "README.md").read_text().partition("## Export and runtime")[2].partition("\n## ")[0]
COMMANDS = commands(SECTION)
PYTHON = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)

MakeModel = Callable[..., Path]


@pytest.fixture
def place(model: MakeModel, data: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the commands name."""
    model(data)
    (tmp_path / "scenes").mkdir()
    bands = np.random.default_rng(0).integers(0, 256, (3, 40, 30), dtype=np.uint8)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 4e5, 0, -2, 5e6)}
    for name in ("scene.tif", "huge.tif", "scenes/one.tif", "scenes/two.tif"):
        profile = {"driver": "GTiff", "count": 3, "height": 40, "width": 30, "dtype": "uint8", **place}
        with rasterio.open(tmp_path / name, "w", **profile) as target:
            target.write(bands)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_commands() -> None:
    assert {shlex.split(command)[0] for command in COMMANDS} == {"pip", "unetzoo-infer", "curl"}
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("pip ")])
def test_what_is_installed_exists(command: str) -> None:
    assert_there_is_such_a_distribution(command)


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith("unetzoo-infer ") and "--serve" not in c]
)
def test_command_runs(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*shlex.split(command)[1:], "--threads", "1"]) == 0
    assert capsys.readouterr().err == ""
    if " -o " in command:
        masks = [path.name for path in (place / "masks").iterdir()]
        assert sorted(masks) == (["one.tif", "two.tif"] if "scenes/" in command else ["huge.tif"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_server_answers_the_request(place: Path) -> None:
    (start,) = [c for c in COMMANDS if "--serve" in c]
    (ask,) = [c for c in COMMANDS if c.startswith("curl ")]
    ask_server(start, ask)
    whole = Predictor.open("model.onnx", threads=1).predict_file("scene.tif", "whole.tif")
    assert Path("mask.tif").read_bytes() == whole.read_bytes()


def test_python_runs(run: Callable[..., Any], place: Path) -> None:
    (code,) = PYTHON
    done = run(code=code + "\nprint(labels.shape)")
    assert (done.stderr, done.stdout) == ("", "(40, 30)\n")
