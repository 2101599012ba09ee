"""The manifest is read as spreadsheets write it, and its mistakes are named by line."""

from pathlib import Path

import pytest

from unetzoo.datasets.manifest import read_manifest


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    path = tmp_path / "manifest.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_mean_what_they_say(tmp_path: Path) -> None:
    path = write(tmp_path, "image,mask,split,group,age\na.png,b.png,validation,p1,40\nb.png,a.png,,,\n")
    found = read_manifest(path)
    assert not found.problems
    first, second = found.cases
    assert (first.name, first.split, first.group) == ("a", "val", "p1")
    assert first.mask == tmp_path / "b.png"
    assert (second.split, second.group) == ("", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_semicolons_and_byte_order_marks_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    found = read_manifest(write(tmp_path, "image;mask;name\r\na.png;b.png;first\r\n", encoding))
    assert [c.name for c in found.cases] == ["first"]


def test_mistakes_are_named_by_line(tmp_path: Path) -> None:
    text = "image,mask,split\na.png,nope.png,train\nb.png,,train\na.png,b.png,hold-out\n,b.png,train\n"
    problems = read_manifest(write(tmp_path, text)).problems
    assert [p.split(", ")[1].split(":")[0] for p in problems] == ["line 2", "line 3", "line 4", "line 5"]
    assert "nope.png does not exist" in problems[0]
    assert "b.png has no mask" in problems[1]
    assert "'hold-out'" in problems[2]


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the column mask; it has image, label"):
        read_manifest(write(tmp_path, "image,label\na.png,b.png\n"))
    with pytest.raises(FileNotFoundError, match=r"data\.manifest="):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"picture\.csv: is no CSV"):
        read_manifest(tmp_path / "picture.csv")
