"""Splits that are made: whole groups, even classes, folds that take turns, blocks with a strip between."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from unetzoo.cli import main
from unetzoo.datasets.case import Case
from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.folds import deal, split_cases
from unetzoo.datasets.manifest import read_manifest, write_manifest
from unetzoo.datasets.resplit import resplit
from unetzoo.datasets.splits import torn_groups

Make = Callable[..., SegmentationData]


def cases(sizes: list[int]) -> list[Case]:
    """One group of each size."""
    return [
        Case(f"g{group}_{i}", Path(f"{group}_{i}.png"), None, f"g{group}")
        for group, size in enumerate(sizes)
        for i in range(size)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_folds_differ_by_no_more_than_the_largest_group(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(1, 7, 40).tolist()
    part = deal(cases(sizes), {}, [0.2] * 5, seed)
    counts = Counter(part[case.group] for case in cases(sizes))
    assert len(counts) == 5
    assert max(counts.values()) - min(counts.values()) <= max(sizes)


def test_stratified_parts_hold_the_same_share_of_a_rare_kind() -> None:
    found = cases([1] * 60)
    content = {case.name: Counter({"rare" if i % 6 == 0 else "usual": 1}) for i, case in enumerate(found)}
    done = split_cases(found, content=content, folds=None, val_fraction=0.2, test_fraction=0.2, seed=0)
    for split, wanted in (("train", 6), ("val", 2), ("test", 2)):
        chosen = [case for case in done if case.split == split]
        assert len(chosen) == 6 * wanted
        assert sum("rare" in content[case.name] for case in chosen) == wanted


def test_every_case_but_test_is_val_once(data: Make, folder: Path) -> None:
    done = split_cases(cases([2] * 10), content=None, folds=4, val_fraction=0.15, test_fraction=0.2, seed=3)
    test = {case.name for case in done if case.split == "test"}
    assert len(test) == 4
    assert Counter(case.fold for case in done) == {None: 4, 0: 4, 1: 4, 2: 4, 3: 4}
    assert not torn_groups(done)
    images = sorted((folder / "images").iterdir())
    listed = [
        Case(f.stem, f, folder / "masks" / f.name, f.stem[:2], "", None, i % 3) for i, f in enumerate(images)
    ]
    write_manifest(folder / "f.csv", [Case("t", images[0], listed[0].mask, "t", "test"), *listed])
    chosen = [data(images=None, masks=None, manifest="f.csv", fold=fold) for fold in range(3)]
    val = [case.name for each in chosen for case in each.listing.cases if case.split == "val"]
    assert sorted(val) == sorted(case.name for case in listed)
    assert all([c.name for c in each.listing.cases if c.split == "test"] == ["t"] for each in chosen)
    with pytest.raises(ValueError, match=r"data\.fold=7: there are 0, 1, 2"):
        data(images=None, masks=None, manifest="f.csv", fold=7).cases("train")


def test_too_few_groups_for_the_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="5 parts cannot be made of 3 group"):
        deal(cases([4, 4, 4]), {}, [0.2] * 5, 0)


def test_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    window = (slice(3, 20), slice(40, 41))
    written = [
        Case("a", tmp_path / "a.png", tmp_path / "b.png", "g", "train", None, 2, window),
        Case("b", tmp_path / "b.png", tmp_path / "b.png", "h", "test"),
    ]
    write_manifest(tmp_path / "sub" / "m.csv", written)
    found = read_manifest(tmp_path / "sub" / "m.csv")
    assert not found.problems
    plain = [(c.name, c.image.resolve(), c.group, c.split, c.fold, c.window) for c in found.cases]
    assert plain == [(c.name, c.image.resolve(), c.group, c.split, c.fold, c.window) for c in written]
    (tmp_path / "bad.csv").write_text("image,mask,window\na.png,b.png,1 2 3\n")
    assert "window '1 2 3'" in read_manifest(tmp_path / "bad.csv").problems[0]


def test_blocks_of_a_scene_leave_a_strip_between_splits_that_the_check_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": 200,
        "width": 160,
        "dtype": "uint8",
        "crs": "EPSG:32633",
    }
    place = rasterio.Affine(2, 0, 4000, 0, -2, 9000)
    for kind, values in (
        ("images", rng.integers(0, 255, (200, 160))),
        ("masks", rng.integers(0, 2, (200, 160))),
    ):
        Path(kind).mkdir()
        if kind == "masks":
            values[:20, :20] = 9
        with rasterio.open(f"{kind}/s.tif", "w", **profile, transform=place) as file:
            file.write(values.astype(np.uint8), 1)
    options: dict[str, Any] = {"classes": {"no": 0, "yes": 1}, "ignore_index": 9, "val_fraction": 0.25}
    scene = SegmentationData(images="images", masks="masks", **options)
    made, notes = resplit(scene, tile=20, blocks=80, buffer=10)
    assert notes[0] == "1 of 80 tiles have no label and are left out"
    assert {case.split for case in made} == {"train", "val", "test"}
    assert not torn_groups(made)
    rows = {split: [c.window for c in made if c.split == split and c.window] for split in ("train", "test")}
    for a in rows["train"]:
        for b in rows["test"]:  # at least 10 m are 5 pixels, and tiles lie on a grid of 20
            assert max(abs(x.start - y.start) for x, y in zip(a, b, strict=True)) >= 40
    write_manifest(Path("m.csv"), made)
    assert not SegmentationData(manifest="m.csv", **options).check()


def test_split_by_a_column_of_the_manifest(data: Make, folder: Path) -> None:
    names = sorted(file.name for file in (folder / "images").iterdir())[:9]
    rows = [f"images/{n},masks/{n},{'rare' if i < 3 else 'usual'}" for i, n in enumerate(names)]
    (folder / "all.csv").write_text("\n".join(["image,mask,kind", *rows]))
    found = data(images=None, masks=None, manifest="all.csv", test_fraction=0)
    made, _ = resplit(found, folds=3, stratify="kind")
    assert sorted(case.fold or 0 for case in made if case.image.name in names[:3]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"buffer": 3.0}, "give their size, blocks="),
        ({"blocks": 3.0}, "lies nowhere on the ground"),
        ({"blocks": -1.0}, "must be above 0"),
        ({"folds": 1}, "folds=1 must be at least 2"),
        ({"stratify": "kind"}, "is a column of a manifest"),
    ],
)
def test_impossible_splits_are_refused(data: Make, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resplit(data(), **given)


@pytest.mark.parametrize(
    ("given", "message"), [(["folds=5"], "out=... is missing"), (["out=m.csv", "folds=x"], "is no number")]
)
def test_what_the_verb_lacks_is_one_sentence(
    capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["data", "split", *given]) == 2
    assert message in capsys.readouterr().err
