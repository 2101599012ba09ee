"""What is wrong with many files, or with many parts of one, is said once."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unetzoo.cli import main
from unetzoo.datasets.condense import condense


def test_sentences_that_differ_in_files_names_and_numbers_are_one() -> None:
    found = [
        "/a b/p0.tif (p0_0_3): 1.5% of the pixels are NaN or infinite and are ignored",
        "/a b/p0.tif (p0_3_3): 27.0% of the pixels are NaN or infinite and are ignored",
        "m.csv, line 3: the mask masks/one.png does not exist",
        "m.csv, line 9: the mask masks/two.png does not exist",
        "group 'p2' is in test and val (a.png, b.png), so results on it would be too good",
        "group 'p3' is in test and val (c.png, d.png), so results on it would be too good",
        "group 'p4' is in test and train (e.png, f.png), so results on it would be too good",
        "m/p0.png: holds only road",
        "m/p1.png: holds only water",
        "split val is empty",
    ]
    assert condense(found) == [
        f"{found[0]} (and 1 more)",
        f"{found[2]} (and 1 more)",
        f"{found[4]} (and 1 more)",
        *found[6:],
    ]
    assert condense([]) == []


def _table(folder: Path, *, classes: bool) -> None:
    """A scene of 8 x 96 pixels in 12 windows, one of them with two classes, and another picture."""
    (folder / "img").mkdir()
    (folder / "msk").mkdir()
    rng = np.random.default_rng(0)
    mask = np.zeros((8, 96), np.uint8)
    mask[:, 3:6] = 1
    for name, width, labels in (("scene", 96, mask), ("other", 8, mask[:, :8])):
        values = rng.integers(0, 255, (8, width), np.uint8)
        Image.fromarray(values).save(folder / "img" / f"{name}.png")
        Image.fromarray(labels if classes else labels + 7).save(folder / "msk" / f"{name}.png")
    with open(folder / "m.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "mask", "split", "name", "window", "group"])
        writer.writerow(["img/other.png", "msk/other.png", "val", "other", "", "other"])
        for i in range(12):
            row = ["img/scene.png", "msk/scene.png", "train", f"s{i}", f"0 {8 * i} 8 8", "scene"]
            writer.writerow(row)


def lines(text: str) -> list[str]:
    """Those that name a mask."""
    return [line for line in text.splitlines() if ".png" in line]


@pytest.mark.parametrize("classes", [True, False])
def test_check_says_once_what_is_so_in_many_parts(
    classes: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _table(tmp_path, classes=classes)
    monkeypatch.chdir(tmp_path)
    words = ["data", "check", "data=folder", "data.manifest=m.csv", "data.classes={a: 0, b: 1}"]
    assert main(words) == (0 if classes else 2)
    once = capsys.readouterr()
    assert main([*words, "each=true"]) == (0 if classes else 2)
    each = capsys.readouterr()
    if classes:
        assert lines(once.out) == ["note        msk/scene.png (s1): holds only a (and 10 more)"]
        expected = [f"note        msk/scene.png (s{i}): holds only a" for i in range(1, 12)]
        assert lines(each.out) == expected
        assert not once.err
    else:
        (line,) = lines(once.err)
        assert line.endswith(" (and 12 more)")
        assert line.removesuffix(" (and 12 more)") == lines(each.err)[0]
        assert len(set(lines(each.err))) == 13
        assert "problems    13\nnext        the same with each=true" in once.out
    assert "each=true" not in each.out


def test_each_is_true_or_false(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "experiment=demo", "each=all"]) == 2
    assert "each=all is neither true nor false" in capsys.readouterr().err
