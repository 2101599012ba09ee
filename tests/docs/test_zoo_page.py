"""Headers are whole, and the generated page knows every part."""

import re
from functools import cache
from pathlib import Path

import pytest

from unetzoo import list_models, list_skips
from unetzoo.catalog import Facts, header, skip_facts

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
PARTS = [("model/skip", name) for name in list_skips()] + [("model", name) for name in list_models()]


@cache
def facts(skip: str) -> Facts:
    return skip_facts(skip)


@pytest.mark.parametrize(("group", "name"), PARTS)
def test_header_names_source_reference_code_and_fidelity(group: str, name: str) -> None:
    told = header(group, name)
    assert told.what.endswith(".")
    assert told.command.startswith("unetzoo train ")
    assert name in told.command
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|\b(19|20)\d\d\b|ours", told.source), "paper, or ours"
    assert "none copied" in told.reference or "none released" in told.reference or told.reference == "ours."
    assert told.fidelity.startswith(("faithful", "reconstruction:", "ours"))


@pytest.mark.parametrize("skip", list_skips())
def test_what_is_refused_has_its_reason_in_the_header(skip: str) -> None:
    found = facts(skip)
    if found.ndims != (2, 3) or not found.dynamic:
        assert header("model/skip", skip).limits


def test_page_is_of_these_configs() -> None:
    text = PAGE.read_text()
    sections = re.findall(r"^### (.+)\n\n(.+)$", text, re.MULTILINE)
    assert sections == [(name, header(group, name).what) for group, name in PARTS], "run docs/make_zoo.py"
    drawn = {path.stem for path in (PAGE.parent / "zoo").glob("*.svg")}
    assert drawn == set(list_skips())


def test_flow_is_found_by_differentiating() -> None:
    assert facts("concat").flow == ((0,), (1,), (2,), (3,))
    assert facts("concat").acts == (False,) * 4
    assert facts("nested").flow == ((0, 1, 2, 3), (1, 2, 3), (2, 3), (3,))
    assert facts("nested").parameters == 1_061_248
