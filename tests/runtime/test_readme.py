"""Every command in the README's deployment section does what it says, as it stands there."""

import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from unetzoo.inference import DataSpec, Predictor
from unetzoo.inference.cli import main

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().partition("## Export and runtime")[2].partition("\n## ")[0]
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    for line in block.splitlines()
]
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
    found = re.fullmatch(r"(\S+)\[(.*)\]", shlex.split(command)[-1])
    assert found
    project = tomllib.loads((ROOT / found[1] / "pyproject.toml").read_text())["project"]
    assert set(found[2].split(",")) <= set(project["optional-dependencies"])


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "unetzoo.inference", *shlex.split(start)[1:], "--port", port]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            retry = ["--silent", "--fail", "--retry", "50", "--retry-connrefused", "--retry-delay", "1"]
            asked = shlex.split(ask.replace("localhost:8000", f"127.0.0.1:{port}"))
            subprocess.run([*asked, *retry], check=True, timeout=50)
        finally:
            process.terminate()
    whole = Predictor.open("model.onnx", threads=1).predict_file("scene.tif", "whole.tif")
    assert Path("mask.tif").read_bytes() == whole.read_bytes()


def test_python_runs(run: Callable[..., Any], place: Path) -> None:
    (code,) = PYTHON
    done = run(code=code + "\nprint(labels.shape)")
    assert (done.stderr, done.stdout) == ("", "(40, 30)\n")
