"""Prepare scripts: a prepared folder gets its manifest, a raw download its layout, without unetzoo."""

import csv
import json
import runpy
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
SETS = ROOT.parent / "shared" / "data"


def prepare(name: str, *arguments: Path | str) -> int:
    code = runpy.run_path(str(DATA / name / "prepare.py"))["main"]([str(a) for a in arguments])
    assert isinstance(code, int)
    return code


def rows(folder: Path) -> list[dict[str, Any]]:
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "files", "groups"),
    [
        ("dsb2018_nuclei", ["a.png", "b.png"], ["a", "b"]),
        ("hippocampus_msd", ["h_1.nii.gz", "h_2.nii.gz"], ["h_1", "h_2"]),
        ("fair_kampala", ["OAM-7-1-21.tif", "OAM-8-1-21.tif"], ["7", "8"]),
        ("chase_db1", ["Image_01L.jpg", "Image_14R.jpg"], ["01", "14"]),
    ],
)
def test_prepared_folder_gets_its_manifest(
    tmp_path: Path, name: str, files: list[str], groups: list[str]
) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for file in files:
            (tmp_path / kind / file).touch()
    (tmp_path / "splits.json").write_text(
        json.dumps({"train": files[:1], "val": [], "test": files[1:], "note": "x"})
    )
    assert prepare(name, tmp_path) == 0
    found = rows(tmp_path)
    assert [r["image"] for r in found] == [f"images/{f}" for f in files]
    assert [(r["split"], r["group"]) for r in found] == [("train", groups[0]), ("test", groups[1])]


def test_missing_files_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare("dsb2018_nuclei", tmp_path / "none") == 2
    assert prepare("dsb2018_nuclei", tmp_path) == 2
    (tmp_path / "splits.json").write_text('{"train": ["a.png"]}')
    assert prepare("dsb2018_nuclei", tmp_path) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert "a.png: no such file, though" in told[2]
    assert not (tmp_path / "manifest.csv").exists()
    for name in ("dsb2018_nuclei", "hippocampus_msd", "fair_kampala", "chase_db1"):
        assert prepare(name, tmp_path, "--out", tmp_path / "out") == 2


def test_dsb2018_raw_masks_are_merged(tmp_path: Path) -> None:
    for i in range(10):
        folder = tmp_path / "stage1_train" / f"id{i}"
        for kind in ("images", "masks"):
            (folder / kind).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(folder / "images" / f"id{i}.png")
        for n in range(2):
            nucleus = np.zeros((8, 8), np.uint8)
            nucleus[n * 4, 2:4] = 255
            Image.fromarray(nucleus).save(folder / "masks" / f"n{n}.png")
    out = tmp_path / "out"
    assert prepare("dsb2018_nuclei", tmp_path / "stage1_train", "--out", out) == 0
    mask = np.asarray(Image.open(out / "masks" / "id3.png"))
    assert np.argwhere(mask == 255).tolist() == [[0, 2], [0, 3], [4, 2], [4, 3]]
    assert [sum(r["split"] == s for r in rows(out)) for s in ("train", "val", "test")] == [7, 1, 2]


def test_dsb2018_contest_has_its_test_in_runs_of_pixels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, name in (("train", "a"), ("train", "b"), ("test", "c"), ("test", "d")):
        folder = tmp_path / "raw" / f"stage1_{split}" / name
        (folder / "images").mkdir(parents=True)
        Image.fromarray(np.zeros((3, 4, 4), np.uint8)).save(folder / "images" / f"{name}.png")
        if split == "train":
            (folder / "masks").mkdir()
            Image.fromarray(np.full((3, 4), 255, np.uint8)).save(folder / "masks" / "n.png")
    table = "ImageId,EncodedPixels,Height,Width,Usage\nc,2 1 4 2,3,4,Private\nc,12 1,3,4,Public\n"
    solution = tmp_path / "raw" / "stage1_solution.csv"
    solution.write_text(table + "d,1 1,3,4,Ignored\n")
    out = tmp_path / "out"
    assert prepare("dsb2018_nuclei", tmp_path / "raw", "--out", out) == 0
    nuclei = np.asarray(Image.open(out / "instances" / "c.png"))
    assert nuclei.tolist() == [[0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2]]
    assert [(r["image"], r["split"]) for r in rows(out) if r["split"] == "test"] == [("images/c.png", "test")]
    for right, wrong, told in (
        ("12 1", "12 2", "a run of 2 pixels from 12 on leaves a picture of 3 x 4"),
        ("12 1", "12", "runs are pairs of a first pixel and a length, unlike '12'"),
        ("12 1", "-1 x", "runs are pairs of a first pixel and a length, unlike '-1 x'"),
        ("ImageId", "id", "needs the columns ImageId and EncodedPixels"),
        ("c,", "e,", "e.png: no such file, though stage1_solution.csv lists it"),
    ):
        solution.write_text(table.replace(right, wrong))
        assert prepare("dsb2018_nuclei", tmp_path / "raw", "--out", tmp_path / "again") == 2
        assert told in capsys.readouterr().err


def test_chase_splits_by_child_and_takes_the_first_observer(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("Image_02L", "Image_10R", "Image_11L"):
        (raw / f"{name}.jpg").write_bytes(name.encode())
        for observer in ("1stHO", "2ndHO"):
            (raw / f"{name}_{observer}.png").write_bytes(observer.encode())
    out = tmp_path / "out"
    assert prepare("chase_db1", raw, "--out", out) == 0
    assert [(r["mask"], r["split"], r["group"]) for r in rows(out)] == [
        ("masks/Image_02L.png", "train", "02"),
        ("masks/Image_10R.png", "train", "10"),
        ("masks/Image_11L.png", "test", "11"),
    ]
    assert (out / "masks" / "Image_02L.png").read_bytes() == b"1stHO"
    (raw / "Image_02L_1stHO.png").unlink()
    assert prepare("chase_db1", raw, "--out", tmp_path / "again") == 2


def test_hippocampus_raw_leaves_out_what_has_no_label_and_what_macos_left(tmp_path: Path) -> None:
    raw = tmp_path / "Task04_Hippocampus"
    for kind, names in (("imagesTr", ["h1", "h2", "h3"]), ("labelsTr", ["h1", "h2", "._h1"])):
        (raw / kind).mkdir(parents=True)
        for name in names:
            (raw / kind / f"{name}.nii.gz").write_bytes(name.encode())
    assert prepare("hippocampus_msd", raw, "--out", tmp_path / "out") == 0
    assert sorted(f.name for f in (tmp_path / "out" / "images").iterdir()) == ["h1.nii.gz", "h2.nii.gz"]


def test_synthetic_ct_keeps_splits_and_is_made_alike_each_time(tmp_path: Path) -> None:
    nibabel: Any = import_module("nibabel")
    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    y, x = np.mgrid[-16:16, -12:12]
    disc = (400.0 * (y**2 + x**2 < 100)).astype(np.float32)
    for name in ("a", "b"):
        volume = np.broadcast_to(disc, (12, 32, 24)).T
        nibabel.save(nibabel.Nifti1Image(volume.copy(), np.eye(4)), raw / "images" / f"{name}.nii.gz")
    (raw / "splits.json").write_text('{"train": ["a.nii.gz"], "val": [], "test": ["b.nii.gz"]}')
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        assert prepare("synthetic_ct", raw, "--out", out) == 0
    found = rows(outs[0])
    assert [(r["target"], r["split"], r["group"]) for r in found[::4]] == [
        ("targets/a_0.tif", "train", "a"),
        ("targets/b_0.tif", "test", "b"),
    ]
    target, image, again = (
        rasterio.open(path).read(1)
        for path in (outs[0] / found[0]["target"], *(out / found[0]["image"] for out in outs))
    )
    assert set(np.unique(target)) == {-400, 400}
    np.testing.assert_array_equal(image, again)
    # scatter takes contrast
    assert image[target > 0].mean() - image[target < 0].mean() < 750
    other = rasterio.open(outs[0] / found[4]["image"]).read(1)
    assert not np.array_equal(image, other)


def test_kampala_tiles_get_their_place_and_buildings(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    name = "OAM-1238424-1046544-21"
    Image.fromarray(np.full((256, 256, 4), 90, np.uint8)).save(raw / f"{name}.png")
    Image.fromarray(np.full((256, 256, 4), 90, np.uint8)).save(raw / "OAM-1238456-1046544-21.png")
    Image.fromarray(np.full((256, 256, 4), 90, np.uint8)).save(raw / "OAM-9-9-19.png")  # another zoom
    left, bottom, right, top = 3627854.2364710346, 38810.9011117965, 3627873.345728107, 38830.01036886871
    corners = [
        (left, top),
        ((left + right) / 2, top),
        ((left + right) / 2, bottom),
        (left, bottom),
        (left, top),
    ]
    degrees = [
        [np.degrees(x / 6378137), np.degrees(2 * np.arctan(np.exp(y / 6378137)) - np.pi / 2)]
        for x, y in corners
    ]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [degrees]}}
    (raw / "labels.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert prepare("fair_kampala", raw, "--out", tmp_path / "out") == 0
    with rasterio.open(tmp_path / "out" / "images" / f"{name}.tif") as file:
        assert file.crs.to_epsg() == 3857
        assert tuple(file.bounds) == pytest.approx((left, bottom, right, top), abs=1e-6)
        assert file.count == 3
    with rasterio.open(tmp_path / "out" / "masks" / f"{name}.tif") as file:
        mask = file.read(1)
    assert mask[:, :127].all()
    assert not mask[:, 129:].any()
    assert [(r["split"], r["group"]) for r in rows(tmp_path / "out")] == [
        ("train", "1238424"),
        ("test", "1238456"),
    ]


def test_kampala_masks_of_the_set_are_drawn_again_exactly(tmp_path: Path) -> None:
    shared = SETS / "fair_kampala"
    if not shared.is_dir():
        pytest.skip(f"the set fair_kampala is not in {SETS}")
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copy(shared / "labels.geojson", raw)
    for path in sorted((shared / "images").iterdir())[::10]:
        with rasterio.open(path) as file:
            Image.fromarray(file.read().transpose(1, 2, 0)).save(raw / f"{path.stem}.png")
    assert prepare("fair_kampala", raw, "--out", tmp_path / "out") == 0
    for path in (tmp_path / "out" / "masks").iterdir():
        with rasterio.open(path) as made, rasterio.open(shared / "masks" / path.name) as given:
            assert (made.read(1) == given.read(1)).all()


def test_scripts_do_not_import_the_library() -> None:
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); print({'unetzoo', 'torch'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, DATA / "fair_kampala" / "prepare.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
