"""The kernels' tests again, in a build that watches every access and every operation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("g++")

pytestmark = [
    pytest.mark.full,  # minutes
    pytest.mark.skipif(not COMPILER or not shutil.which("cmake"), reason="needs g++ and cmake"),
]


def test_no_kernel_touches_what_is_not_its_own_or_does_what_is_not_defined(tmp_path: Path) -> None:
    build = str(tmp_path / "build")
    configure = ["cmake", "-S", str(ROOT / "kernels"), "-B", build, "-DUNETZOO_SANITIZE=ON"]
    for command in (configure, ["cmake", "--build", build, "--parallel", "2"]):
        subprocess.run(command, check=True, capture_output=True)
    package = tmp_path / "unetzoo_kernels"
    shutil.copytree(ROOT / "kernels" / "unetzoo_kernels", package)
    shutil.copy(Path(build) / "libunetzoo_kernels.so", package)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "LD_PRELOAD": " ".join(map(_library, ("libasan.so", "libubsan.so"))),
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "UBSAN_OPTIONS": "halt_on_error=1",
    }
    tests = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not full", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*tests, ROOT / "tests" / "kernels"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "runtime error" not in done.stderr


def _library(name: str) -> str:
    found = [str(COMPILER), f"-print-file-name={name}"]
    return subprocess.run(found, check=True, capture_output=True, text=True).stdout.strip()
