"""Help and lists answer at once, because they import next to nothing."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from unetzoo import __version__
from unetzoo.cli import main
from unetzoo.cli.dispatch import VERBS

HEAVY = {
    "torch",
    "lightning",
    "hydra",
    "omegaconf",
    "yaml",
    "numpy",
    "monai",
    "albumentations",
    "timm",
    "scipy",
}


def imported_by(code: str) -> set[str]:
    """Top-level modules in a fresh process after some code."""
    script = (
        f"{code}\nimport sys; sys.stderr.write(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import unetzoo",
        "import unetzoo.cli; unetzoo.cli.main(['--help'])",
        "import unetzoo.cli; unetzoo.cli.main(['--version'])",
        "import unetzoo.cli; unetzoo.cli.main(['list'])",
        "import unetzoo.cli; unetzoo.cli.main(['list', 'skips'])",
        "import unetzoo.cli; unetzoo.cli.main(['list', '--help'])",
        "import os; os.environ['COMP_LINE'] = 'unetzoo tr'\nimport unetzoo.cli; unetzoo.cli.main(['--help'])",
    ],
)
def test_quick_paths_import_the_standard_library_only(code: str) -> None:
    assert not imported_by(code) & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["list", "skips"]])
def test_quick_paths_are_quick(arguments: list[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "unetzoo", *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, which other processes do not lengthen; 0.05 s where this was written
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["-h"], ["--help"], ["help"]):
        assert main(arguments) == 0
        shown = capsys.readouterr().out
        assert all(f"\n  {verb} " in shown for verb in VERBS)


@pytest.mark.parametrize("verb", ["list", "doctor", "data"])
def test_verbs_without_hydra_have_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"usage: unetzoo {verb}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"unetzoo {__version__}\n"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m unetzoo list; echo code $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | head -1"], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stderr == "code 0\n"


def test_python_m_is_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unetzoo", "trian"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.startswith("unetzoo: there is no verb 'trian' (did you mean train?)")
