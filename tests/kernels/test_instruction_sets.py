"""A wrong instruction set is refused by name, where the library took another one in silence."""

import pytest

from unetzoo.cli import main
from unetzoo.ops import native

CHOICES = "set it to one of baseline, avx2, avx512, or unset it"

pytestmark = pytest.mark.skipif(native.library() is None, reason="unetzoo-kernels is not built")


@pytest.fixture(autouse=True)
def opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is asked again by each test; it knows its instruction set since the process began."""
    monkeypatch.setattr(native, "library", native.library.__wrapped__)


@pytest.mark.parametrize("name", ["avx521", "AVX2", "sse2", "1"])
def test_unknown_instruction_set_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNETZOO_ISA", name)
    with pytest.raises(ValueError, match=f"UNETZOO_ISA={name} is no instruction set.*{CHOICES}"):
        native.library()


def test_instruction_set_of_another_processor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = native.library()
    assert loaded is not None
    taken = loaded.unetzoo_isa().decode()
    for name in native.INSTRUCTION_SETS:
        monkeypatch.setenv("UNETZOO_ISA", name)
        if name == taken:
            assert native.library() is not None
        else:
            with pytest.raises(ValueError, match=f"UNETZOO_ISA={name}: .* has {taken}; {CHOICES}"):
                native.library()


def test_doctor_says_what_is_wrong_in_place_of_the_instruction_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNETZOO_ISA", "avx521")
    assert main(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "problem: UNETZOO_ISA=avx521 is no instruction set" in out
    assert "unetzoo_kernels   not usable" in out
