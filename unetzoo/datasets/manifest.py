"""Cases from a manifest: a CSV with the columns image, mask or target, split and group."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from ..inference.files import replacing, stem
from ..inference.geometry import Window
from .case import Case, Listing, split_of


def read_manifest(path: Path) -> Listing:
    """One case per row; paths are relative to the CSV's folder.

    Columns: ``image``; ``mask``, or ``target`` for the image to be predicted, beside which the mask may be
    left out; optional ``split`` (empty: decided later), ``group`` (empty: the case is its own group),
    ``name``, ``fold`` (from 0) and ``window`` (first row, first column, rows and columns of the part of the
    image that is the case); any others are left alone.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no such table.
    """
    if not path.is_file():
        raise FileNotFoundError(f"data.manifest={path}: no such file")
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            header = file.readline()
            file.seek(0)
            # spreadsheets of many countries write semicolons
            delimiter = ";" if ";" in header and "," not in header else ","
            reader = csv.DictReader(file, delimiter=delimiter)
            columns = reader.fieldnames or []
            rows = [(reader.line_num, row) for row in reader]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: is no CSV table in UTF-8 ({error})") from error
    missing = {"image", "mask"} - {*columns} - ({"mask"} if "target" in columns else set())
    if missing:
        raise ValueError(
            f"{path}: lacks the column {' and '.join(sorted(missing))}; it has {', '.join(columns) or 'none'}"
        )
    wanted = "target" if "target" in columns else "mask"
    cases: list[Case] = []
    problems: list[str] = []
    for line, row in rows:
        keys = ("image", "mask", "target", "split", "group", "name", "fold", "window")
        values = {key: (row.get(key) or "").strip() for key in keys}
        where = f"{path}, line {line}"
        if not values["image"]:
            problems.append(f"{where}: names no image")
            continue
        split = split_of(values["split"])
        if values["split"] and not split:
            problems.append(f"{where}: split '{values['split']}' is none of train, val, test")
        name = values["name"] or stem(values["image"])
        image = path.parent / values["image"]
        mask, target = (path.parent / values[key] if values[key] else None for key in ("mask", "target"))
        if {"mask": mask, "target": target}[wanted] is None:
            problems.append(f"{where}: {values['image']} has no {wanted}")
        for kind, file_ in (("image", image), ("mask", mask), ("target", target)):
            if file_ is not None and not file_.exists():
                problems.append(f"{where}: the {kind} {file_} does not exist")
        try:
            fold, window = _fold(values["fold"]), _window(values["window"])
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        cases.append(Case(name, image, mask, values["group"] or name, split, target, fold, window))
    return Listing(cases, problems, [])


def write_manifest(path: Path, cases: Sequence[Case]) -> None:
    """A table that `read_manifest` reads back; columns that no case fills are left out."""
    rows = [
        {
            "image": _relative(case.image, path),
            "mask": _relative(case.mask, path),
            "target": _relative(case.target, path),
            "split": case.split,
            "fold": "" if case.fold is None else str(case.fold),
            "group": case.group,
            "name": case.name,
            "window": ""
            if case.window is None
            else " ".join(
                str(n) for n in (*(w.start for w in case.window), *(w.stop - w.start for w in case.window))
            ),
        }
        for case in cases
    ]
    columns = [key for key in rows[0] if any(row[key] for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_column(path: Path, column: str) -> dict[str, str]:
    """One column of a manifest by the case's name.

    Raises:
        ValueError: If there is no such column.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if column not in (reader.fieldnames or ()):
            raise ValueError(f"{path}: has no column '{column}'; it has {', '.join(reader.fieldnames or ())}")
        return {(row.get("name") or "").strip() or stem(row["image"].strip()): row[column] for row in reader}


def _relative(file: Path | None, manifest: Path) -> str:
    return "" if file is None else Path(os.path.relpath(file, manifest.parent)).as_posix()


def _fold(text: str) -> int | None:
    if text and not text.isdecimal():
        raise ValueError(f"fold '{text}' is no whole number from 0")
    return int(text) if text else None


def _window(text: str) -> Window | None:
    if not text:
        return None
    numbers = text.split()
    if len(numbers) != 4 or not all(n.isdecimal() for n in numbers) or "0" in numbers[2:]:
        raise ValueError(
            f"window '{text}' must be first row, first column, rows and columns, such as '0 512 256 256'"
        )
    row, column, height, width = map(int, numbers)
    return slice(row, row + height), slice(column, column + width)
