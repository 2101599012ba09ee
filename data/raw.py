"""From a raw download to a manifest: the tree that is expected, the cases, the command line. No packages."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from data.layout import refused, write_table

DATA = Path(__file__).resolve().parent

Trees = Mapping[str, Sequence[str]]
"""Patterns of files that a download has, by layout.

A layout's name begins with the name of the data config that reads what is made of it.
"""


class Row(NamedTuple):
    """One case of a manifest.

    Args:
        group: Cases of one patient, scene or video share it.
        split: Empty: cut off by group when the set is read.
        name: Unique in the set.
        window: First row, first column, rows and columns of the part of the image that is the case, or empty.
    """

    image: Path
    mask: Path
    group: str
    split: str = ""
    name: str = ""
    window: str = ""


class Main(Protocol):
    """What ``main`` of a script is."""

    def __call__(self, argv: Sequence[str] | None = None, /) -> int:
        """The exit code for the arguments, by default those of the command line."""


class Raw:
    """A raw download, which is read and never written to; hidden files and macOS's ``._*`` are none of it.

    Args:
        folder: With the tree in it, or in a folder of it, or one deeper: archives unpack differently.

    Raises:
        FileNotFoundError: If no layout fits; says what was expected and what was found.
    """

    def __init__(self, folder: Path, trees: Trees) -> None:
        for depth in ("", "*/", "*/*/"):
            for base in sorted(folder.glob(depth)) if depth else [folder]:
                for layout, patterns in trees.items():
                    if all(_matches(base, pattern) for pattern in patterns):
                        self.folder, self.layout = base, layout
                        return
        raise FileNotFoundError(_difference(folder, trees))

    def files(self, pattern: str) -> list[Path]:
        """The files that match, sorted."""
        return _matches(self.folder, pattern)

    def one(self, path: str | Path) -> Path:
        """The file, which must be there, or the only one that matches a pattern."""
        if (self.folder / path).is_file():
            return self.folder / path
        found = self.files(str(path)) if "*" in str(path) else []
        if len(found) != 1:
            what = f"{len(found)} files match" if found else "no such file"
            raise FileNotFoundError(f"{self.folder / path}: {what}, though the rest of the set is there")
        return found[0]

    def names(self, path: str) -> list[str]:
        """The lines of a text file that are not empty."""
        lines = self.one(path).read_text(encoding="utf-8-sig").splitlines()
        return [line.strip() for line in lines if line.strip()]


def command(script: str, about: str | None, trees: Trees, rows: Callable[[Raw, Path], Iterable[Row]]) -> Main:
    """The ``main`` of a prepare.py: ``RAW [--out FOLDER]``, by default into ``data/<name of the config>``.

    Args:
        script: Its ``__file__``.
        rows: From the raw download and the folder to make; writes there what must be decoded.
    """

    def main(argv: Sequence[str] | None = None, /) -> int:
        parser = argparse.ArgumentParser(
            prog=Path(script).name, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("raw", type=Path, help="folder of the download")
        parser.add_argument("--out", type=Path, help="folder for manifest.csv and for masks that are decoded")
        arguments = parser.parse_args(argv)
        with refused() as failed:
            if not arguments.raw.is_dir():
                raise FileNotFoundError(f"{arguments.raw}: no such folder")
            raw = Raw(arguments.raw, trees)
            out = arguments.out or DATA / raw.layout.split()[0]
            out.mkdir(parents=True, exist_ok=True)
            write_rows(out / "manifest.csv", rows(raw, out))
            print(f"wrote {out / 'manifest.csv'}")
        return 2 if failed else 0

    return main


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a manifest; paths are relative to it below its folder, else absolute."""
    folder, rows = path.parent.resolve(), list(rows)
    tiles = any(row.window for row in rows)
    lines = [
        (
            _place(row.image, folder),
            _place(row.mask, folder),
            row.split,
            row.group,
            row.name or _stem(row.image),
            *([row.window] if tiles else []),
        )
        for row in rows
    ]
    if not lines:
        raise FileNotFoundError(f"{path}: no image with its mask was found for it")
    columns = ("image", "mask", "split", "group", "name", *(["window"] if tiles else []))
    write_table(path, [columns, *lines])


def _place(path: Path, folder: Path) -> str:
    path = path.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]


def _matches(base: Path, pattern: str) -> list[Path]:
    return sorted(
        file
        for file in base.glob(pattern)
        if file.is_file() and not any(part[0] == "." for part in file.relative_to(base).parts)
    )


def _difference(folder: Path, trees: Trees) -> str:
    """What a layout needs beside what there is, a line per pattern, and what lies in the folder instead."""
    lines = [f"{folder}: is not the download, nor does it hold it"]
    width = max(len(pattern) for patterns in trees.values() for pattern in patterns) + 2
    for layout, patterns in trees.items():
        lines.append(f"  {'expected (' + layout + ')':{width}}  found")
        for pattern in patterns:
            count = len(_matches(folder, pattern))
            lines.append(f"  {pattern:{width}}  {f'{count} files' if count else 'nothing'}")
    there = [f"{path.name}/" if path.is_dir() else path.name for path in sorted(folder.iterdir())]
    more = f" and {len(there) - 12} more" if len(there) > 12 else ""
    lines.append(f"  in the folder: {', '.join(there[:12]) or 'nothing'}{more}")
    return "\n".join(lines)
