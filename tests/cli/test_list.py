"""The listing of the config folders is the list of options."""

import pytest
import yaml

from unetzoo.cli import main
from unetzoo.cli.list import GROUPS, headline, options
from unetzoo.configs import ROOT


def test_every_group_of_the_tree_can_be_listed() -> None:
    folders = {str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("*.yaml")} - {"."}
    assert {folder for folder in folders if not folder.startswith("hydra")} == set(GROUPS.values())


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_says_what_it_is(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", group]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = options(GROUPS[group])
    assert [line.split()[0] for line in lines] == list(found)
    for path in found.values():
        assert headline(path), f"{path} does not begin with a comment that says what it is"
        assert isinstance(yaml.safe_load(path.read_text()), dict)


@pytest.mark.parametrize("word", ["skips", "skip", "model/skip"])
def test_group_goes_by_plural_singular_and_folder(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", word, "att*"]) == 0
    assert capsys.readouterr().out.startswith("attention_gate")


def test_encoders_with_a_pattern_include_timm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "encoders", "resnet10*"]) == 0
    assert "resnet101" in capsys.readouterr().out.split()


def test_overview_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = set(capsys.readouterr().out.split())
    assert all(set(options(folder)) <= shown for folder in GROUPS.values())
