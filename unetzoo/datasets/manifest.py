"""Cases from a manifest: a CSV with the columns image, mask or target, split and group."""

import csv
from pathlib import Path

from ..inference.files import stem
from .case import Case, Listing, split_of


def read_manifest(path: Path) -> Listing:
    """One case per row; paths are relative to the CSV's folder.

    Columns: ``image``; ``mask``, or ``target`` for the image to be predicted, beside which the mask may be
    left out; optional ``split`` (empty: decided later), ``group`` (empty: the case is its own group) and
    ``name``; any others are left alone.

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
        keys = ("image", "mask", "target", "split", "group", "name")
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
            if file_ is not None and not file_.is_file():
                problems.append(f"{where}: the {kind} {file_} does not exist")
        cases.append(Case(name, image, mask, values["group"] or name, split, target))
    return Listing(cases, problems, [])
