"""Read everything once and say, file by file, what will fail and why."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..inference.contract import IGNORE, DataSpec
from .case import Case, Report, Sample
from .duplicates import Look, look
from .footprints import Footprint, footprint
from .leaks import find_leaks
from .reader import read_case


class _Finding(NamedTuple):
    problems: list[str]
    notes: list[str]
    pixels: Counter[int]
    look: Look | None = None
    place: Footprint | None = None


def check_cases(
    cases: Sequence[Case],
    spec: DataSpec,
    progress: Callable[[int, int], None] | None = None,
    *,
    allow: Collection[str] = (),
) -> Report:
    """Read all cases as training and evaluation will, and look for leaks between their splits.

    Args:
        progress: Called with the number of cases done and their total.
        allow: Leaks that are told as notes, of `ALLOWABLE`.
    """
    problems, notes = [], []
    pixels: Counter[int] = Counter()
    looks: list[tuple[Case, Look]] = []
    places: list[tuple[Case, Footprint]] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        findings = pool.map(lambda case: _check_case(case, spec), cases)
        for done, (case, finding) in enumerate(zip(cases, findings, strict=True), 1):
            problems += [_of_part(case, problem) for problem in finding.problems]
            notes += [_of_part(case, note) for note in finding.notes]
            pixels += finding.pixels
            looks += [] if finding.look is None else [(case, finding.look)]
            places += [] if finding.place is None else [(case, finding.place)]
            if progress:
                progress(done, len(cases))
    leaks = find_leaks(cases, looks, places, allow)
    problems += leaks.problems
    notes += leaks.notes
    if spec.target is not None:
        return Report(problems, notes)
    total = max(1, pixels.total())
    shares = ", ".join(f"{c.name} {pixels[i] / total:.2%}" for i, c in enumerate(spec.classes))
    notes.append(f"pixel share of the labelled part: {shares}")
    absent = [c.name for i, c in enumerate(spec.classes) if not pixels[i]]
    if absent and not problems:
        notes.append(f"no mask has the class {', '.join(absent)}")
    return Report(problems, notes)


def empty_splits(cases: Sequence[Case]) -> Report:
    """Training needs train and val; without test there is only nothing to report in the end."""
    there = {case.split for case in cases}
    problems = []
    if "train" not in there:
        problems.append("split train is empty; there is nothing to train on")
    if "val" not in there:
        problems.append("split val is empty; name cases for it, or raise data.val_fraction")
    return Report(problems, [] if "test" in there else ["split test is empty"])


def _check_case(case: Case, spec: DataSpec) -> _Finding:
    try:
        sample = read_case(case, spec)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        return _Finding([str(error) or f"{case.image}: {type(error).__name__}"], [], Counter())
    valid, data = sample.image.valid, sample.image.data
    if not valid.any():
        return _Finding(
            [f"{case.image}: has no valid pixel (all NaN, no-data or transparent); leave it out"],
            [],
            Counter(),
        )
    notes = []
    values = data[:, valid]
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        share = 1 - float(np.isfinite(data).all(axis=0).mean())
        notes.append(f"{case.image}: {share:.1%} of the pixels are NaN or infinite and are ignored")
    if (values == values[:, :1]).all():
        notes.append(
            f"{case.image}: has one value everywhere ({values[0, 0]}); leave it out, or set data.nodata"
        )
    if sample.target is not None:
        if not np.isfinite(sample.target).any():
            notes.append(f"{case.target}: has no pixel that counts")
        return _Finding([], notes, Counter(), look(sample.image), footprint(sample.image.geometry, case))
    pixels = labelled_pixels(sample, spec)
    if not pixels:
        notes.append(f"{case.mask}: has no labelled pixel")
    elif not spec.multilabel and set(pixels) == {0}:
        notes.append(f"{case.mask}: holds only {spec.classes[0].name}")
    return _Finding([], notes, pixels, look(sample.image), footprint(sample.image.geometry, case))


def _of_part(case: Case, sentence: str) -> str:
    """The sentence with the name of the case behind that of the file, where the case is a part of one."""
    subject, colon, reason = sentence.partition(": ")
    return sentence if case.window is None else f"{subject} ({case.name}){colon}{reason}"


def labelled_pixels(sample: Sample, spec: DataSpec) -> Counter[int]:
    """How many there are of each class that is there."""
    if spec.multilabel:
        return Counter(
            {i: int((layer == 1).sum()) for i, layer in enumerate(sample.mask) if (layer == 1).any()}
        )
    counts = np.bincount(sample.mask.ravel(), minlength=IGNORE + 1)[:IGNORE]
    return Counter({int(i): int(counts[i]) for i in np.flatnonzero(counts)})
