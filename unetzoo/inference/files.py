"""Opening and replacing files so that errors are one sentence and no output is ever half-written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileError(ValueError):
    """A complaint about a file, worded for the user and naming the file."""


def existing(path: str | Path) -> Path:
    """``path`` as a Path if it is a readable file that is not empty."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder where a file is expected")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty")
    return path


def first_line(error: Exception) -> str:
    """What a library says of an error, without what it adds below."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a format library raises on a damaged or foreign file into one FileError."""
    try:
        yield
    except (FileError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise FileError(
            f"{path}: cannot be read as {kind}, it is damaged or of another format ({first_line(error)})"
        ) from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path that takes the place of ``path`` if the block ends well and vanishes otherwise.

    The temporary name keeps the suffix, by which the format libraries choose what to write, and is always the
    same, so that what a killed process left is replaced by the next.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    temporary = path.with_name(f".new-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def suffix(path: str | Path) -> str:
    """Ending in lower case; ``.nii.gz`` is one ending."""
    name = Path(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def stem(path: str | Path) -> str:
    """File name without its ending."""
    name = Path(path).name
    return name[: len(name) - len(suffix(path))]


def title(path: Path) -> str:
    """What results of an image are called: its name without its ending; a folder of slices has none."""
    return path.name if path.is_dir() and suffix(path) != ".zarr" else stem(path)
