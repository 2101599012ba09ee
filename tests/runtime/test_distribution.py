import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unetzoo

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "export" / "runtime"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_version_is_that_of_unetzoo() -> None:
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    assert project["version"] == unetzoo.__version__


def test_wheel_holds_the_inference_folder_and_nothing_else(wheel: Path) -> None:
    inference = ROOT / "unetzoo" / "inference"
    wanted = {
        f"unetzoo_runtime/{p.name}" for p in inference.iterdir() if p.suffix == ".py" or p.name == "py.typed"
    }
    assert {name for name in names(wheel) if ".dist-info/" not in name} == wanted
    with zipfile.ZipFile(wheel) as archive:
        for name in wanted:
            assert archive.read(name) == (inference / Path(name).name).read_bytes()


def test_wheel_needs_numpy_and_onnxruntime_only(wheel: Path) -> None:
    info = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{info}/METADATA").decode().splitlines()
        assert "unetzoo-infer = unetzoo_runtime.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
    needs = [line.removeprefix("Requires-Dist: ") for line in metadata if line.startswith("Requires-Dist: ")]
    always = {need.partition(">")[0] for need in needs if "extra ==" not in need}
    assert always == {"numpy", "onnxruntime"}
    extras = {line.removeprefix("Provides-Extra: ") for line in metadata if line.startswith("Provides-Extra")}
    assert extras == {
        "image",
        "geo",
        "med",
        "dicom",
        "itk",
        "vector",
        "zarr",
        "openvino",
        "serve",
        "ray",
        "cleaning",
    }
    assert any(name.endswith("licenses/LICENSE") for name in names(wheel))


def test_sdist_builds_the_same_wheel_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(SOURCE)], check=True, capture_output=True)  # the sdist, and the wheel from it
    assert list(tmp_path.glob("*.tar.gz"))
    assert next(tmp_path.glob("*.whl")).read_bytes() == wheel.read_bytes()


def test_import_needs_no_torch_and_loads_no_format_library(run: Callable[..., Any]) -> None:
    code = (
        "import unetzoo_runtime\n"
        "heavy = {'torch', 'unetzoo', 'onnxruntime', 'PIL', 'rasterio', 'nibabel', 'scipy', 'fastapi'}\n"
        "print(sorted(heavy & set(sys.modules)), unetzoo_runtime.Predictor.__module__)"
    )
    done = run(code=code)
    assert done.stderr == ""
    assert done.stdout == "[] unetzoo_runtime.predictor\n"
