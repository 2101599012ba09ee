"""Whole groups dealt into parts that are alike: folds, or train, val and test."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .case import SPLITS, Case
from .splits import complete_splits

Content = Mapping[str, Counter[str]]
"""What is to be spread evenly, by the case's name: how much of each class, or which kind it is."""

_CASES = ""  # what every case counts as one of, so that parts have the sizes wanted


def split_cases(
    cases: Sequence[Case],
    *,
    content: Content | None,
    folds: int | None,
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> list[Case]:
    """Decide what is undecided, by whole groups; given splits stay, as in ``complete_splits``.

    Args:
        content: Spread evenly over the parts; None: only their sizes count.
        folds: Deal everything but test into so many folds; the first of them is val.

    Raises:
        ValueError: If there are fewer groups than parts.
    """
    if folds is not None:
        if folds < 2:
            raise ValueError(f"folds={folds} must be at least 2; leave it out for one hold-out")
        val_fraction = 0.0
    if content is None or any(case.split for case in cases):
        done = complete_splits(
            cases,
            val_fraction=0.0 if content is not None else val_fraction,
            test_fraction=test_fraction,
            seed=seed,
        )
    else:
        part = deal(cases, content, [1 - test_fraction, test_fraction], seed)
        done = [replace(case, split=("train", "test")[part[case.group]]) for case in cases]
        val_fraction /= max(1 - test_fraction, 0.1)
    if folds is not None:
        part = deal([case for case in done if case.split != "test"], content or {}, [1 / folds] * folds, seed)
        return [
            case
            if case.split == "test"
            else replace(case, fold=part[case.group], split="train" if part[case.group] else "val")
            for case in done
        ]
    if content is not None and not any(case.split == "val" for case in done):
        training = [case for case in done if case.split == "train"]
        part = deal(training, content, [1 - val_fraction, val_fraction], seed)
        done = [
            replace(case, split=SPLITS[part[case.group]]) if case.split == "train" else case for case in done
        ]
    return done


def deal(cases: Sequence[Case], content: Content, shares: Sequence[float], seed: int) -> dict[str, int]:
    """Part of each group, so that the parts hold the shares wanted of everything.

    The largest group comes first and goes where most of what it holds is still wanted, after Sechidis,
    Tsoumakas and Vlahavas 2011, "On the Stratification of Multi-Label Data", with groups in place of
    examples. Equal groups are ranked by a hash of the seed and their name, as for ``complete_splits``.

    Raises:
        ValueError: If there are fewer groups than parts.
    """
    groups: dict[str, Counter[str]] = {}
    for case in cases:
        groups.setdefault(case.group, Counter()).update({_CASES: 1, **content.get(case.name, {})})
    parts = [part for part, share in enumerate(shares) if share > 0]
    if len(groups) < len(parts):
        raise ValueError(
            f"{len(parts)} parts cannot be made of {len(groups)} group(s); take fewer folds, or change "
            "data.group"
        )
    total = sum(groups.values(), Counter[str]())
    share_of = {
        group: {key: amount / total[key] for key, amount in held.items() if amount}
        for group, held in groups.items()
    }
    missing = {part: dict.fromkeys(total, shares[part]) for part in parts}
    rank = {group: hashlib.sha256(f"{seed}:deal:{group}".encode()).digest() for group in groups}
    result: dict[str, int] = {}
    for group in sorted(groups, key=lambda group: (-max(share_of[group].values()), rank[group])):
        held = share_of[group]
        left = len(groups) - len(result)
        empty = [part for part in parts if part not in result.values()]
        wanted = {part: sum(held[key] * missing[part][key] for key in held) for part in parts}
        # no part stays empty
        chosen = max(empty if left <= len(empty) else parts, key=lambda part: (wanted[part], -part))
        result[group] = chosen
        for key, share in held.items():
            missing[chosen][key] -= share
    return result
