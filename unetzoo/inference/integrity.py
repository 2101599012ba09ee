"""What an ONNX file says of itself below the network: where its weights lie, and whether it is as exported.

Reads the few protobuf fields that matter, so that neither the onnx package nor a parsed copy of the weights
is needed. Numbers of the fields are those of onnx.proto3, https://github.com/onnx/onnx.
"""

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from .files import FileError

CHECKSUM_KEY = "unetzoo.sha256"
"""Key of `checksum` in the ``metadata_props`` of an ONNX file."""

_GRAPH, _METADATA = 7, 14  # fields of a ModelProto

# by message: fields that lead to tensors, and the message that each holds
_INSIDE = {
    "model": {_GRAPH: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 64


def checksum(path: Path) -> str:
    """SHA-256 over all of an ONNX file but its metadata, and over the files its weights lie in.

    Raises:
        FileError: If it is damaged, or its weights lie outside of its folder.
    """
    digest = hashlib.sha256()
    beside = external_files(path)
    with _mapped(path) as view:
        for number, start, _, end in _read(path, view, 0, len(view)):
            if number != _METADATA:
                digest.update(view[start:end])
    for name in beside:
        with name.open("rb") as file:
            while part := file.read(2**20):
                digest.update(part)
    return digest.hexdigest()


def external_files(path: Path) -> list[Path]:
    """The files beside an ONNX file that hold its weights, if they are not in it, sorted.

    Raises:
        FileError: If the file is damaged, or names a file that is missing or lies outside of its folder.
    """
    with _mapped(path) as view:
        names = sorted(set(_locations(path, view, 0, len(view), "model", 0)))
    return [_inside(path, name) for name in names]


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw,
        memoryview(raw) as view,
    ):
        yield view


def _inside(path: Path, name: str) -> Path:
    plain = PurePosixPath(name)
    outside = plain.is_absolute() or PureWindowsPath(name).drive or ".." in PureWindowsPath(name).parts
    found = path.parent / plain
    if outside or not found.resolve().is_relative_to(path.parent.resolve()):
        raise FileError(f"{path}: wants its weights from '{name}', outside of its own folder; do not use it")
    if not found.is_file():
        raise FileError(f"{path}: its weights lie in '{name}', which is not beside it; copy both files")
    return found


def _locations(
    path: Path, view: memoryview, first: int, last: int, message: str, depth: int
) -> Iterator[str]:
    """Values of ``location`` in the external data of all tensors, those in attributes and subgraphs too."""
    if depth > _DEEPEST:
        raise _damaged(path)
    if message == "entry":
        fields = _read(path, view, first, last)
        entry = {number: bytes(view[a:b]) for number, _, a, b in fields if a is not None}
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode(errors="replace")
        return
    for number, _, start, end in _read(path, view, first, last):
        kind = _INSIDE[message].get(number)
        if kind is not None and start is not None:
            yield from _locations(path, view, start, end, kind, depth + 1)


def _read(path: Path, view: memoryview, first: int, last: int) -> Iterator[tuple[int, int, int | None, int]]:
    """Fields of a message: number, start, start of its content if that has a length, end."""
    at = first
    while at < last:
        tag, content = _varint(path, view, at, last)
        kind, start = tag & 7, None
        if kind == 0:
            _, end = _varint(path, view, content, last)
        elif kind == 2:
            length, start = _varint(path, view, content, last)
            end = start + length
        elif kind in (1, 5):
            end = content + (8 if kind == 1 else 4)
        else:
            raise _damaged(path)
        if end > last or tag >> 3 == 0:
            raise _damaged(path)
        yield tag >> 3, at, start, end
        at = end


def _varint(path: Path, view: memoryview, at: int, last: int) -> tuple[int, int]:
    value = shift = 0
    while at < last and shift < 64:
        byte = view[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise _damaged(path)


def _damaged(path: Path) -> FileError:
    return FileError(f"{path}: cannot be read as an ONNX file, it is damaged or of another format")
