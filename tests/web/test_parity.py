import json
from pathlib import Path
from typing import Any

import pytest
from tests.web.parity import parity

STORED = Path(__file__).parents[2] / "export" / "web" / "tests" / "parity.json"


def test_the_page_is_tested_against_what_the_runtime_computes_now() -> None:
    numbers, words = _leaves(json.loads(json.dumps(parity())))
    stored_numbers, stored_words = _leaves(json.loads(STORED.read_text()))
    assert words == stored_words
    assert numbers == pytest.approx(stored_numbers, rel=1e-6, abs=1e-9)


def _leaves(value: Any) -> tuple[list[float], list[Any]]:
    """All numbers, and all else, in their order."""
    numbers: list[float] = []
    words: list[Any] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            words += item
            waiting += item.values()
        elif isinstance(item, list):
            words.append(len(item))
            waiting += item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            numbers.append(item)
        else:
            words.append(item)
    return numbers, words
