"""The commands that a page shows, run as they stand there."""

import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(page: str) -> list[str]:
    """Each line of the page's blocks of shell, without its remark."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


def assert_there_is_such_a_distribution(install: str) -> None:
    """`pip install "folder[extra,...]"` names a project of this repository, and extras that it has."""
    found = re.fullmatch(r"(\S+)\[(.*)\]", shlex.split(install)[-1])
    assert found
    project = tomllib.loads((ROOT / found[1] / "pyproject.toml").read_text())["project"]
    assert set(found[2].split(",")) <= set(project["optional-dependencies"])


def ask_server(start: str, ask: str) -> None:
    """Run a `curl` of port 8000 against `unetzoo-infer ... --serve`, started in this folder for it alone."""
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
