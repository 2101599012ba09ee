"""The commands that headers and the README show compose as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from unetzoo.configs import ROOT
from unetzoo.part_choice import taken_back

README, SCALE = ((Path(__file__).parents[2] / name).read_text() for name in ("README.md", "docs/scale.md"))


def _commands(text: str) -> list[str]:
    """What follows ``unetzoo train`` at the beginning of a line or comment, or between backquotes."""
    lines = re.findall(r"^(?:#   )?unetzoo train +([^#\n`]+)", text, re.MULTILINE)
    # two spaces set a remark apart
    return [line.split("  ")[0] for line in lines] + re.findall(r"`unetzoo train\s([^`]+)`", text)


SHOWN = sorted(
    {
        re.sub(r"<[^>]+>", "somewhere", " ".join(command.split()))
        for text in [README, SCALE, *(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.yaml"))]
        for command in _commands(text)
        if "..." not in command and "<experiment>" not in command and not command.startswith("-")
    }
)


@pytest.mark.parametrize("command", SHOWN)
def test_command_composes(command: str) -> None:
    words = [word for word in shlex.split(command) if word not in ("--config-dir", "--multirun")]
    words = [word.partition(",")[0] for word in words] if "--multirun" in command else words
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        assert compose("train", overrides=[*words, *taken_back(words)]).model
