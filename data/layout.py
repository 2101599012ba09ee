"""The layout every prepared set has: images/, masks/ or targets/, splits.json, manifest.csv. No packages."""

import argparse
import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Splits = Mapping[str, Sequence[str]]
"""File names in images/ by train, val, test."""


def hashed_splits(names: Iterable[str], *, val: float, test: float) -> dict[str, list[str]]:
    """Fractions of the names by a hash, so that the choice needs no stored list and no random generator."""
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    first, second = round(test * len(ranked)), round((test + val) * len(ranked))
    return {
        "train": sorted(ranked[second:]),
        "val": sorted(ranked[first:second]),
        "test": sorted(ranked[:first]),
    }


def write_splits(folder: Path, splits: Splits) -> None:
    """Write splits.json."""
    _replace(folder / "splits.json", json.dumps(splits, indent=1) + "\n")


def write_manifest(folder: Path, group: Callable[[str], str]) -> Path:
    """Write manifest.csv for a folder with images/, masks/ (same names, or with an ending) and splits.json.

    Where images are to be predicted, targets/ with the images' names takes the place of masks/.

    Args:
        group: Group of an image from its file name.

    Raises:
        FileNotFoundError: If the folder has not this layout, or a file is missing.
    """
    path = folder / "splits.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; is {folder} the folder of the set?")
    splits = json.loads(path.read_text(encoding="utf-8"))
    targets = (folder / "targets").is_dir()
    rows = []
    for split in ("train", "val", "test"):
        for name in splits.get(split, []):
            if not (folder / "images" / name).is_file():
                raise FileNotFoundError(f"{folder / 'images' / name}: no such file, though {path} lists it")
            if targets and not (folder / "targets" / name).is_file():
                raise FileNotFoundError(f"{folder / 'targets' / name}: no such file, though {path} lists it")
            aim = f"targets/{name}" if targets else f"masks/{_mask(folder, name, path)}"
            rows.append((f"images/{name}", aim, split, group(name)))
    lines = [("image", "target" if targets else "mask", "split", "group"), *rows]
    write_table(folder / "manifest.csv", lines)
    return folder / "manifest.csv"


def write_table(path: Path, lines: Iterable[Sequence[str]]) -> None:
    """Write a CSV file, whole or not at all."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    _replace(path, text.getvalue())


@contextmanager
def refused() -> Iterator[list[Exception]]:
    """Print what is wrong with the user's files, for an exit code of 2 where the list is not empty."""
    failed: list[Exception] = []
    try:
        yield failed
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        failed.append(error)


def run(
    argv: Sequence[str] | None,
    description: str,
    group: Callable[[str], str],
    convert: Callable[[Path, Path], None],
    *,
    kinds: Sequence[str] = ("images", "masks"),
) -> int:
    """Command line of a prepare.py: ``SOURCE`` is a prepared folder, or a raw download with ``--out``.

    Args:
        convert: Called with the raw folder and the new one; writes images/, masks/ and splits.json.
        kinds: Folders that it writes into.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder with images/, masks/, splits.json; or the raw one")
    parser.add_argument("--out", type=Path, help="folder to make from the raw download")
    arguments = parser.parse_args(argv)
    with refused() as failed:
        if not arguments.source.is_dir():
            raise FileNotFoundError(f"{arguments.source}: no such folder")
        if arguments.out is not None:
            for kind in kinds:
                (arguments.out / kind).mkdir(parents=True, exist_ok=True)
            convert(arguments.source, arguments.out)
        print(f"wrote {write_manifest(arguments.out or arguments.source, group)}")
    return 2 if failed else 0


def _mask(folder: Path, name: str, splits: Path) -> str:
    """The mask's file name: the image's own, else the only one that begins with its stem."""
    if (folder / "masks" / name).is_file():
        return name
    found = sorted(file.name for file in (folder / "masks").glob(f"{Path(name).stem}[._]*"))
    if len(found) != 1:
        what = f"several files fit ({', '.join(found)})" if found else "no such file"
        raise FileNotFoundError(f"{folder / 'masks' / name}: {what}, though {splits} lists it")
    return found[0]


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8", newline="")
    os.replace(temporary, path)
