"""Which cases are for training, validation and testing, so that no group is on two sides."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..inference.files import stem
from .case import SPLITS, Case, Listing, split_of


def read_splits(path: Path) -> dict[str, str]:
    """Split by file name, from a JSON file ``{"train": [file names], "val": [...], "test": [...]}``."""
    if not path.is_file():
        raise FileNotFoundError(f"data.splits={path}: no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a mapping of split names to lists of file names")
    wanted: dict[str, str] = {}
    for key, names in content.items():
        if not isinstance(names, list):  # notes and the like
            continue
        split = split_of(key)
        if not split:
            raise ValueError(f"{path}: split '{key}' is none of {', '.join(SPLITS)}")
        for name in map(str, names):
            if wanted.setdefault(name, split) != split:
                raise ValueError(f"{path}: lists {name} for {wanted[name]} and for {split}; keep it in one")
    return wanted


def apply_splits(listing: Listing, wanted: Mapping[str, str], path: Path) -> Listing:
    """The cases that a splits file names, with its splits; the others are left out."""
    cases: list[Case] = []
    found: set[str] = set()
    for case in listing.cases:
        key = next((k for k in (case.image.name, stem(case.image), case.name) if k in wanted), None)
        if key is not None:
            found.add(key)
            cases.append(replace(case, split=wanted[key]))
    absent = [
        f"{path}: lists {name} for {split}, but there is no such image"
        for name, split in wanted.items()
        if name not in found
    ]
    return Listing(cases, listing.problems + absent, listing.notes)


def choose_fold(cases: Sequence[Case], fold: int) -> list[Case]:
    """The cases of one fold as val and those of the others as train; cases of no fold stay as they are.

    Raises:
        ValueError: If there is no such fold.
    """
    folds = sorted({case.fold for case in cases if case.fold is not None})
    if fold not in folds:
        there = f"there are {', '.join(map(str, folds))}" if folds else "the manifest has no column 'fold'"
        raise ValueError(f"data.fold={fold}: {there}; `unetzoo data split folds=5 out=...` makes folds")
    return [
        case if case.fold is None else replace(case, split="val" if case.fold == fold else "train")
        for case in cases
    ]


def regroup(cases: Sequence[Case], pattern: str) -> list[Case]:
    """Take each case's group from its name: the groups of a regular expression joined, or its match."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"data.group='{pattern}' is no regular expression ({error})") from error
    result = []
    for case in cases:
        match = expression.search(case.name)
        if match is None:
            raise ValueError(f"data.group='{pattern}' does not match the name '{case.name}'")
        result.append(replace(case, group="-".join(g or "" for g in match.groups()) or match[0]))
    return result


def complete_splits(
    cases: Sequence[Case], *, val_fraction: float, test_fraction: float, seed: int
) -> list[Case]:
    """Decide the cases that have no split yet, whole groups at a time.

    - No case has a split: test and val are cut from all of them, the rest is train.
    - Some have one: the undecided ones become train; the given ones stay, and nothing is ever moved out of
      test.
    - There is then no val: it is cut from train.

    Groups are ranked by a hash of the seed and their name, so the choice depends neither on the order of
    files nor on torch, and adding a case moves few others.

    Raises:
        ValueError: If the groups are too few to fill the splits that are wanted.
    """
    for key, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= value <= 1:
            raise ValueError(f"data.{key}={value} must be a fraction of the cases, from 0 to 1")
    if not any(case.split for case in cases):
        test = _cut(cases, test_fraction, seed, "test")
        cases = [replace(case, split="test" if case.group in test else "train") for case in cases]
        fraction = val_fraction / max(1 - test_fraction, 0.1)
    else:
        # an undecided case follows its group, so that no group is torn
        known = {case.group: case.split for case in cases if case.split}
        cases = [replace(case, split=case.split or known.get(case.group, "train")) for case in cases]
        fraction = val_fraction
    if not any(case.split == "val" for case in cases):
        val = _cut([case for case in cases if case.split == "train"], min(fraction, 0.9), seed, "val")
        cases = [
            replace(case, split="val") if case.split == "train" and case.group in val else case
            for case in cases
        ]
    return list(cases)


def torn_groups(cases: Sequence[Case]) -> list[str]:
    """One sentence for each group that is on two sides of a split."""
    members: dict[str, dict[str, Case]] = defaultdict(dict)
    for case in cases:
        members[case.group].setdefault(case.split, case)
    return [
        f"group '{group}' is in {' and '.join(sorted(sides))} "
        f"({', '.join(sides[s].image.name for s in sorted(sides))}), so results on it would be too good; "
        "keep a group in one split"
        for group, sides in members.items()
        if len(sides) > 1
    ]


def _cut(cases: Sequence[Case], fraction: float, seed: int, split: str) -> set[str]:
    """Names of the groups that make up `fraction` of the cases: at least one, and not all unless it is 1."""
    if fraction == 0 or not cases:
        return set()
    if fraction == 1:
        return {case.group for case in cases}
    sizes: dict[str, int] = defaultdict(int)
    for case in cases:
        sizes[case.group] += 1
    if len(sizes) < 2:
        raise ValueError(
            f"cannot make a {split} split: all {len(cases)} cases are in one group, '{cases[0].group}'; "
            f"give splits, change data.group, or set data.{split}_fraction=0"
        )
    ranked = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}:{split}:{group}".encode()).digest())
    chosen: set[str] = set()
    count = 0
    for group in ranked[:-1]:
        # stop when another group would lead further away from the wanted number
        if chosen and abs(count + sizes[group] - fraction * len(cases)) >= abs(count - fraction * len(cases)):
            break
        chosen.add(group)
        count += sizes[group]
    return chosen
