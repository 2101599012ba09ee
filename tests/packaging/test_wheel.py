"""The wheel that an sdist builds: one top-level module, the configs inside, usable from an empty folder."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a process that has to end well."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    call(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (found,) = out.glob("unetzoo-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    (source,) = out.glob("unetzoo-*")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=out)
    (found,) = out.glob("unetzoo-*.whl")
    return found


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    offline = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check", "--quiet"]
    call(sys.executable, "-m", "pip", "install", *offline, "--target", folder, wheel, cwd=folder)
    return folder


@pytest.fixture
def unetzoo(target: Path, tmp_path: Path) -> list[str]:
    """A command that runs the installed wheel; the checkout's editable install is taken off the path."""
    (tmp_path / "empty").mkdir()
    script = (
        "import sys; "
        f"sys.path[:] = [{str(target)!r}] + [p for p in sys.path if p not in ('', {str(ROOT)!r})]; "
        "import unetzoo; "
        f"assert unetzoo.__file__.startswith({str(target)!r}), unetzoo.__file__; "
        "from unetzoo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", script]


def test_wheel_is_pure_and_holds_one_top_level_module(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"unetzoo"}
    assert len(names) == len(set(names))


def test_wheel_holds_the_config_tree_and_its_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    configs = {name.removeprefix("unetzoo/configs/") for name in names if name.startswith("unetzoo/configs/")}
    expected = {str(path.relative_to(ROOT / "configs")) for path in (ROOT / "configs").rglob("*.yaml")}
    assert configs == expected | {"__init__.py"}
    text = zipfile.ZipFile(wheel).read("unetzoo/configs/__init__.py").decode()
    assert "ROOT" in text  # ours, not the empty one of the repository's configs/
    assert "unetzoo/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_leaves_nothing_of_the_package_out(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "unetzoo").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package <= names


def test_wheel_lists_from_an_empty_folder(unetzoo: list[str], tmp_path: Path) -> None:
    shown = call(*unetzoo, "list", "models", cwd=tmp_path / "empty")
    assert {line.split()[0] for line in shown.splitlines()} >= {"unet", "attention_unet", "unet_plus_plus"}
    assert not list((tmp_path / "empty").iterdir())


def test_wheel_composes_from_an_empty_folder(unetzoo: list[str], tmp_path: Path) -> None:
    shown = yaml.safe_load(call(*unetzoo, "train", "model=linknet", "--cfg", "job", cwd=tmp_path / "empty"))
    assert shown["model"]["skip"]["_target_"] == "unetzoo.skips.AddSkip"
    assert not list((tmp_path / "empty").iterdir())


def test_wheel_builds_a_model_from_an_empty_folder(unetzoo: list[str], tmp_path: Path) -> None:
    arguments = ["model/encoder=conv2d", "model.in_channels=3", "model.num_classes=2", "size=32"]
    shown = call(*unetzoo, "explain", *arguments, cwd=tmp_path / "empty")
    assert "3 bands to 2 classes, 2D, 32 x 32" in shown


def test_wheels_configs_serve_a_downstream_search_path(target: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "hydra: {searchpath: [pkg://unetzoo.configs]}\ndefaults: [model: unet, _self_]\n"
    )
    script = (
        f"import sys; sys.path[:] = [{str(target)!r}] + [p for p in sys.path if p != {str(ROOT)!r}]\n"
        "from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(tmp_path)!r}, version_base='1.3'):\n"
        "    print(compose('mine').model._target_)"
    )
    assert call(sys.executable, "-c", script, cwd=tmp_path) == "unetzoo.unet.UNet\n"


def test_bare_checkout_works_without_installation(tmp_path: Path) -> None:
    shown = call(sys.executable, "-m", "unetzoo", "train", "--cfg", "job", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert yaml.safe_load(shown)["model"]["_target_"] == "unetzoo.unet.UNet"


def test_sdist_has_what_the_tests_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for wanted in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "pyproject.toml",
        "configs/train.yaml",
    ):
        assert wanted in names
    assert "export/runtime/pyproject.toml" in names
    assert not [name for name in names if name.startswith(("data/demo_", "runs/", ".venv/"))]
