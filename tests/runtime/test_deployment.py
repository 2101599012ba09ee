"""What the page on deployment shows runs as it stands there, and its numbers are those of the program."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from tests.runtime.pages import ROOT, ask_server, assert_there_is_such_a_distribution, commands

from unetzoo.inference import DataSpec, Predictor
from unetzoo.inference.cli import _parser
from unetzoo.inference.limits import Limits
from unetzoo.inference.server import create_app

PAGE = (ROOT / "docs" / "deployment.md").read_text()
COMMANDS = sorted({*commands(PAGE), *re.findall(r"`(python -m [^`]+)`", PAGE)})
BENCHMARKS = [c for c in COMMANDS if c.startswith("python -m benchmarks.")]
INSTALLS = [c for c in COMMANDS if c.startswith("pip install ")]
SERVE = [c for c in COMMANDS if c.startswith("unetzoo-infer ")]
ASK = [c for c in COMMANDS if c.startswith("curl ")]
FEWER = {"benchmarks.footprint": "--rounds 1", "benchmarks.serving": "--uploads 20"}
"""Appended, since the last of two equal options counts: the tables of the page take minutes."""

MakeModel = Callable[..., Path]


def test_every_command_of_the_page_is_run() -> None:
    assert sorted([*BENCHMARKS, *INSTALLS, *SERVE, *ASK]) == COMMANDS
    assert [len(BENCHMARKS), len(INSTALLS), len(SERVE), len(ASK)] == [2, 1, 1, 2]


def test_what_is_installed_exists() -> None:
    assert_there_is_such_a_distribution(INSTALLS[0])


def test_options_and_limits_are_those_of_the_program() -> None:
    options = {word for action in _parser()._actions for word in action.option_strings}
    told = re.sub(r"`python[^`]*`", "", PAGE)
    assert {*re.findall(r"`(--[a-z-]+)", told)} <= options
    limits = {"max-upload": "200 MB", "max-pixels": "100 million", "max-seconds": "300", "queue": "16"}
    for option, value in limits.items():
        assert f"`--{option}` ({value}" in PAGE
    assert Limits() == Limits(200 * 10**6, 100 * 10**6, 16, 300)


def test_paths_are_those_of_the_server(model: MakeModel, data: DataSpec) -> None:
    app: Any = create_app(Predictor.open(model(data), threads=1))
    routes = {route.path for route in app.routes}
    told = {*re.findall(r"`(?:GET |POST )?(/[a-z]+)`", PAGE)}
    assert {"/predict", "/health", "/contract", "/metrics", "/docs"} <= told <= routes


@pytest.mark.full  # processes that import torch, a wheel that is built, servers that start: a minute
@pytest.mark.parametrize("command", BENCHMARKS)
def test_benchmark_prints_the_tables_of_the_page(command: str) -> None:
    _, _, name, *rest = shlex.split(command)
    words = [sys.executable, "-m", name, *rest, *FEWER[name].split()]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    heading = "| uploads | answer | count |" if "serving" in name else "| installed | distributions | MB |"
    assert heading in done.stdout
    assert heading in PAGE
    first = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert {"valid", "broken"} <= {*first} if "serving" in name else "unetzoo-runtime" in first


@pytest.mark.full
@pytest.mark.parametrize("command", INSTALLS)
def test_installation_is_understood(command: str) -> None:
    offline = ["--dry-run", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    words = [sys.executable, "-m", *shlex.split(command), *offline]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("ask", ASK)
def test_server_answers_the_request(
    ask: str, model: MakeModel, data: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    volume = "scan.nii.gz" in ask
    path = model(replace(data, ndim=3, tile=(8, 8, 8)) if volume else data)
    source = _scan() if volume else _scene()
    ask_server(SERVE[0], ask)
    answer = Path(shlex.split(ask)[-1])
    whole = Path("whole.nii.gz" if volume else "whole.tif")
    Predictor.open(path, threads=1).predict_file(source, whole, probabilities=volume)
    if volume:
        nibabel: Any = import_module("nibabel")
        found, expected = nibabel.load(answer), nibabel.load("whole_probabilities.nii.gz")
        assert found.shape == (9, 8, 7, 3)
        np.testing.assert_array_equal(found.affine, expected.affine)
        np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), atol=1e-6)
    else:
        assert answer.read_bytes() == whole.read_bytes()


def _scene() -> Path:
    values = np.random.default_rng(0).integers(0, 256, (3, 40, 30), dtype=np.uint8)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 4e5, 0, -2, 5e6)}
    profile = {"driver": "GTiff", "count": 3, "height": 40, "width": 30, "dtype": "uint8", **place}
    with rasterio.open("scene.tif", "w", **profile) as file:
        file.write(values)
    return Path("scene.tif")


def _scan() -> Path:
    nibabel: Any = import_module("nibabel")
    values = np.random.default_rng(0).integers(0, 256, (9, 8, 7, 3), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 2, 3, 1])), "scan.nii.gz")
    return Path("scan.nii.gz")
