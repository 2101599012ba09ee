"""`unetzoo bench`: what it prints, not how fast anything is."""

from typing import Any

import pytest

from unetzoo.bench import OPERATIONS, Limits, ops
from unetzoo.bench.timing import Time, interleaved
from unetzoo.cli.dispatch import main


def test_every_operation_is_measured_at_five_sizes_beside_a_floor_above_zero() -> None:
    most = Limits(1e9, 1e9)
    for name, cases in OPERATIONS.items():
        sizes = [(case.size, most.floor(case.numbers, case.operations)) for case in cases()]
        assert len({size for size, _ in sizes}) == 5, name
        assert all(floor > 0 for _, floor in sizes)


def test_the_floor_is_the_slower_of_memory_and_arithmetic() -> None:
    assert Limits(bandwidth=8, operations=1).floor(numbers=6, operations=2) == 3
    assert Limits(bandwidth=8, operations=1).floor(numbers=6, operations=5) == 5


def test_forms_take_turns_after_a_round_that_does_not_count() -> None:
    seen, ticks = list[str](), iter(range(100))
    runs = {name: (lambda name=name: seen.append(name)) for name in "ab"}
    times = interleaved(runs, 3, clock=lambda: next(ticks))
    assert seen == ["a", "b"] * 4
    assert times["a"] == Time(1, 0)
    assert str(Time(0.002, 0.0001)) == "2.00 ±5%"


def test_the_first_of_several_calls_in_a_turn_does_not_count() -> None:
    seen, ticks = list[str](), iter([5, 5, *[5, 0, 2] * 2])
    runs = {"a": lambda: seen.append("a")}
    assert interleaved(runs, 2, clock=lambda: next(ticks), calls=2)["a"] == Time(2, 0)
    assert len(seen) == 6


def test_bench_ops_prints_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ops, "MAPS", [(1, 4, 8)])
    monkeypatch.setattr(ops, "limits", lambda: Limits(1e9, 1e9))
    assert main(["bench", "ops", "mfms_merge", "sk_merge", "rounds=2"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "operation",
        *["mfms_merge"] * 2,
        *["sk_merge"] * 2,
    ]


def test_bench_models_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "models", "unet", "encoder=conv2d", "size=32", "rounds=2"]) == 0
    assert "| unet | 5,989,570 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["op"], "bench measures ops or models, not 'op'"),
        (["ops", "scan"], "there is no operation 'scan'"),
        (["ops", "size=3"], "bench ops does not take size="),
        (["models", "unet", "rounds=1"], "rounds=1 is not a whole number from 2 on"),
        (["models", "no_net"], "no_net"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    words: list[str], message: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "limits", lambda: Limits(1e9, 1e9))
    assert main(["bench", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
