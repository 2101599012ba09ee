"""Where the results of many inputs go, and which of them an interrupted run has made already."""

import csv
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .files import title
from .image import find_images, is_image

LEDGER = ".unetzoo-run.jsonl"
"""In the output folder while a run is not complete; the same command finishes the rest."""


class Task(NamedTuple):
    """A file to predict and the folder for its result."""

    source: Path
    folder: Path


def plan(inputs: Sequence[str | Path], out: str | Path) -> list[Task]:
    """One task per image, per image in a folder, and per image in a manifest; subfolders are kept.

    A manifest is a CSV file with the column ``image``, as for training: paths from the manifest's folder on.

    Raises:
        FileNotFoundError: If an input is missing.
        ValueError: If a folder or manifest holds no images, or two inputs would be written to one file.
    """
    tasks = []
    for given in map(Path, inputs):
        if not given.exists():
            raise FileNotFoundError(f"{given}: no such file or folder")
        folder = given.is_dir() and not is_image(given)
        if given.suffix.lower() == ".csv":
            found = _listed(given)
        else:
            found = find_images(given) if folder else [given]
        if not found:
            raise ValueError(f"{given}: the folder holds no image that can be read")
        base = given if folder else given.parent
        for source in found:  # a manifest may list what lies elsewhere
            inside = source.parent.is_relative_to(base)
            tasks.append(Task(source, Path(out) / source.parent.relative_to(base) if inside else Path(out)))
    taken: dict[Path, Path] = {}
    for task in tasks:
        name = task.folder / title(task.source)
        if name in taken:
            raise ValueError(
                f"{taken[name]} and {task.source} would both be written to {name}; "
                "predict them into two folders"
            )
        taken[name] = task.source
    return tasks


def _listed(manifest: Path) -> list[Path]:
    """The images of a manifest, as paths."""
    with manifest.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        if "image" not in (rows.fieldnames or ()):
            columns = ", ".join(rows.fieldnames or ["nothing"])
            raise ValueError(f"{manifest}: a manifest has a column 'image'; this one has {columns}")
        found = [manifest.parent / row["image"] for row in rows if row["image"]]
    if not found:
        raise ValueError(f"{manifest}: the manifest lists no image")
    return found


def make_folder(folder: Path) -> bool:
    """Make a folder that can be written to, and tell whether it is new.

    Raises:
        OSError: Naming the folder, if that is not possible.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{folder}: cannot make this output folder ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder}: this output folder cannot be written to")
    return new


def key_of(source: Path, how: str) -> str:
    """Differs wherever a result would: by the input, as it is now, and by how it is predicted."""
    files = [source, *(sorted(source.rglob("*")) if source.is_dir() else [])]
    known = [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)]
    told = json.dumps([str(source.resolve()), known, how])
    return hashlib.sha256(told.encode()).hexdigest()


class Ledger:
    """What a run has finished, one line each; gone when everything is.

    Lines are appended whole, so several processes may work on one folder, and a line that was cut short by
    the end of a process counts for nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._finished: dict[str, str] = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    self._finished[str(entry["key"])] = str(entry["target"])
                except (ValueError, KeyError, TypeError):
                    continue

    def finished(self, key: str) -> Path | None:
        """The result of a task that was finished before, if it is still there."""
        target = self._finished.get(key)
        return self.path.parent / target if target and (self.path.parent / target).exists() else None

    def note(self, key: str, target: Path) -> None:
        """A task is finished."""
        entry = json.dumps({"key": key, "target": os.path.relpath(target, self.path.parent)})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(entry + "\n")

    def close(self) -> None:
        """The run is complete."""
        self.path.unlink(missing_ok=True)
