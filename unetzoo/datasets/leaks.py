"""What is on two sides of a split and makes results too good: the same file, picture, or piece of ground."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from .case import Case, Report
from .duplicates import Look, same_looks
from .footprints import Footprint, near

ALLOWABLE = ("neighbours", "duplicates")
"""Leaks that a set may be known to have: tiles that touch, pictures that look the same."""

_REMEDY = "keep blocks of tiles together with `unetzoo data split blocks=... buffer=...`"


def find_leaks(
    cases: Sequence[Case],
    looks: Sequence[tuple[Case, Look]],
    places: Sequence[tuple[Case, Footprint]],
    allow: Collection[str],
) -> Report:
    """All leaks between splits; those of the kinds in ``allow`` are notes, the others problems."""
    overlaps, neighbours = _overlapping(places)
    report = Report([*_same_files(cases), *overlaps], [])
    for kind, found in (("duplicates", _similar(looks)), ("neighbours", neighbours)):
        (report.notes if kind in allow else report.problems).extend(found)
    return report


def _same_files(cases: Sequence[Case]) -> list[str]:
    """Byte-identical images on two sides of a split."""
    by_size: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        if case.window is None and case.image.is_file():
            by_size[case.image.stat().st_size].append(case)
    seen: dict[bytes, Case] = {}
    problems = []
    for case in (case for same in by_size.values() if len(same) > 1 for case in same):
        other = seen.setdefault(_digest(case.image), case)
        if other.split != case.split:
            problems.append(
                f"{case.image}: is the same file as {other.image}, but one is in {case.split} and one in "
                f"{other.split}"
            )
    return problems


def _similar(looks: Sequence[tuple[Case, Look]]) -> list[str]:
    """Pictures on two sides of a split that differ in nothing but encoding, size or brightness.

    Those of one file are left to the other searches.
    """
    problems = []
    for i, j in same_looks([found for _, found in looks]):
        a, b = looks[i][0], looks[j][0]
        if a.split != b.split and not _same_content(a.image, b.image):
            problems.append(
                f"{b.image}: looks the same as {a.image}, but one is in {b.split} and one in {a.split}; "
                "give both the same group, take one out, or, if that is known, set data.allow=[duplicates]"
            )
    return problems


def _overlapping(places: Sequence[tuple[Case, Footprint]]) -> tuple[list[str], list[str]]:
    """Tiles that overlap and tiles that touch across a split, one sentence for each pair of splits."""
    found: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for i, j, distance in near([place for _, place in places]):
        a, b = places[i][0], places[j][0]
        if a.split != b.split:
            key = (distance < 0, " and ".join(sorted((a.split, b.split))))
            found[key].append(f"{a.image} ({a.name}, {a.split}) and {b.image} ({b.name}, {b.split})")
    overlaps: list[str] = []
    neighbours: list[str] = []
    for (overlap, splits), pairs in found.items():
        more = f", as do {len(pairs) - 1} more pairs of {splits}" if pairs[1:] else ""
        if overlap:
            overlaps.append(f"{pairs[0]}: overlap on the ground{more}; {_REMEDY}")
        else:
            allowed = "or, if that is known, set data.allow=[neighbours]"
            neighbours.append(f"{pairs[0]}: touch on the ground{more}; {_REMEDY}, {allowed}")
    return overlaps, neighbours


def _same_content(a: Path, b: Path) -> bool:
    return a == b or (a.stat().st_size == b.stat().st_size and _digest(a) == _digest(b))


def _digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
