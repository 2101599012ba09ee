"""Groups stay together, given splits stay as they are, and the choice depends on names alone."""

import json
import random
from pathlib import Path

import pytest

from unetzoo.datasets.case import Case, Listing
from unetzoo.datasets.splits import apply_splits, complete_splits, read_splits, regroup, torn_groups


def cases(count: int, per_group: int = 1, split: str = "") -> list[Case]:
    return [
        Case(f"c{i}", Path(f"c{i}.png"), Path(f"m{i}.png"), f"g{i // per_group}", split) for i in range(count)
    ]


def complete(found: list[Case], val: float = 0.2, test: float = 0.2, seed: int = 0) -> dict[str, str]:
    done = complete_splits(found, val_fraction=val, test_fraction=test, seed=seed)
    return {case.name: case.split for case in done}


def test_groups_are_never_torn_and_fractions_are_met() -> None:
    found = cases(60, per_group=4)
    done = complete_splits(found, val_fraction=0.2, test_fraction=0.2, seed=3)
    assert not torn_groups(done)
    counts = [sum(c.split == s for c in done) for s in ("train", "val", "test")]
    assert counts == [36, 12, 12]


def test_order_does_not_matter_and_seed_does() -> None:
    found = cases(40, per_group=2)
    shuffled = random.Random(1).sample(found, len(found))
    assert complete(found) == complete(shuffled)
    assert complete(found) != complete(found, seed=1)


def test_new_cases_move_few_others() -> None:
    before, after = complete(cases(100)), complete(cases(101))
    assert sum(before[name] != after[name] for name in before) <= 2


def test_missing_val_is_cut_from_train_and_test_is_not_touched() -> None:
    found = [*cases(20, 2, "train")]
    test = [Case(f"t{i}", Path(f"t{i}.png"), None, f"t{i}", "test") for i in range(5)]
    done = complete([*found, *test], val=0.2)
    assert {name for name, split in done.items() if split == "test"} == {f"t{i}" for i in range(5)}
    assert sum(split == "val" for split in done.values()) == 4


def test_given_val_stays_and_undecided_cases_follow_their_group() -> None:
    found = [*cases(6, 2, "train"), Case("v", Path("v.png"), None, "gv", "val")]
    undecided = [Case("v2", Path("v2.png"), None, "gv"), Case("n", Path("n.png"), None, "gn")]
    done = complete([*found, *undecided])
    assert (done["v"], done["v2"], done["n"]) == ("val", "val", "train")


def test_fractions_of_nothing_and_of_everything() -> None:
    assert set(complete(cases(10), val=0, test=0).values()) == {"train"}
    assert set(complete(cases(10), val=0, test=1).values()) == {"test"}
    with pytest.raises(ValueError, match=r"data\.val_fraction=1\.5"):
        complete(cases(10), val=1.5)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="all 6 cases are in one group, 'g0'"):
        complete(cases(6, per_group=6))


def test_torn_group_is_named_with_both_files() -> None:
    found = [Case("a", Path("a.png"), None, "p7", "train"), Case("b", Path("b.png"), None, "p7", "test")]
    (message,) = torn_groups(found)
    assert "group 'p7' is in test and train (b.png, a.png)" in message


def test_group_from_the_name() -> None:
    found = [Case("OAM-12-7-21", Path("x.tif"), None, "x"), Case("OAM-13-7-21", Path("y.tif"), None, "y")]
    assert [c.group for c in regroup(found, r"-(\d+)-\d+-\d+$")] == ["12", "13"]
    assert [c.group for c in regroup(found, r"^OAM-\d")] == ["OAM-1", "OAM-1"]
    with pytest.raises(ValueError, match="does not match the name 'OAM-12-7-21'"):
        regroup(found, "patient")
    with pytest.raises(ValueError, match="no regular expression"):
        regroup(found, "(")


def test_splits_file_decides_and_names_what_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"train": ["c0.png"], "valid": ["c1"], "test": ["gone.png"], "note": "text"}))
    found = apply_splits(Listing(cases(3), [], []), read_splits(path), path)
    assert [(c.name, c.split) for c in found.cases] == [("c0", "train"), ("c1", "val")]
    assert found.problems == [f"{path}: lists gone.png for test, but there is no such image"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": ["a"], "test": ["a"]}', "lists a for train and for test"),
        ('{"fold0": ["a"]}', "split 'fold0' is none of"),
        ("[1]", "must be a mapping"),
        ("{", "is no JSON"),
    ],
)
def test_broken_splits_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_splits(tmp_path / "splits.json")
