"""Where the results of many inputs go."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .image import find_images, stem


class Job(NamedTuple):
    """A file to predict and the folder for its result."""

    source: Path
    folder: Path


def plan(inputs: Sequence[str | Path], out: str | Path) -> list[Job]:
    """One job per file, and per image in a folder, whose subfolders are kept below ``out``.

    Raises:
        FileNotFoundError: If an input is missing.
        ValueError: If a folder holds no images, or two inputs would be written to one file.
    """
    jobs = []
    for given in map(Path, inputs):
        if not given.exists():
            raise FileNotFoundError(f"{given}: no such file or folder")
        found = find_images(given) if given.is_dir() else [given]
        if not found:
            raise ValueError(f"{given}: the folder holds no image that can be read")
        base = given if given.is_dir() else given.parent
        jobs += [Job(source, Path(out) / source.parent.relative_to(base)) for source in found]
    taken: dict[Path, Path] = {}
    for job in jobs:
        name = job.folder / stem(job.source)
        if name in taken:
            raise ValueError(
                f"{taken[name]} and {job.source} would both be written to {name}; "
                "predict them into two folders"
            )
        taken[name] = job.source
    return jobs


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
